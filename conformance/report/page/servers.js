// The servers: their ranking, and a page of each.

// What a server passes of a level, of what applies to it; errors are neither, and told apart.
function scoreOf(server, level) {
  const counts = countVerdicts(
    server,
    checks.filter(check => check.level === level),
  );
  const passed = counts.pass + counts.fixed;
  return {passed, of: passed + counts.fail + counts.deviation};
}

// Shares are compared as fractions: rounded ones would tie what does not.
const compareShares = (a, b) => b.passed * a.of - a.passed * b.of;

function ranking() {
  const found = servers.map(server => {
    const [must, should, contract] = ["must", "should", "contract"].map(level => scoreOf(server, level));
    return {server, counts: countVerdicts(server), must, should, contract};
  });
  const order = (a, b) => compareShares(a.must, b.must) || compareShares(a.should, b.should);
  const ranked = found.filter(one => one.must.of > 0).sort(order);
  ranked.forEach((one, number) => {
    const before = ranked[number - 1];
    one.rank = before && order(before, one) === 0 ? before.rank : number + 1;
  });
  return [...ranked, ...found.filter(one => one.must.of === 0)];
}

// Rounded down, so that only what passes everything has 100 %.
const percent = ({passed, of}) => `${(Math.floor((1000 * passed) / of) / 10).toFixed(1)} %`;

function shareCell(score) {
  if (score.of === 0) return make("td.number.soft", "–");
  const cell = make(
    "td.number.share",
    make("b", percent(score)),
    " ",
    make("small", `${score.passed}/${score.of}`),
  );
  cell.style.setProperty("--share", `${(100 * score.passed) / score.of}%`);
  return cell;
}

function rankingView() {
  const found = ranking();
  const row = ({server, counts, must, should, contract, rank}) =>
    make(
      "tr",
      make("td.number.soft", rank ? `${rank}${counts.error ? "*" : ""}` : "–"),
      heading(serverAnchor(server), server.error && make("small.soft", " did not start, or broke off")),
      make("td", server.version ?? make("span.soft", "unknown")),
      [must, should, contract].map(shareCell),
      ["deviation", "fail", "fixed", "not-applicable"].map(name => numberCell(counts[name])),
      numberCell(counts.error, "v-error"),
    );
  const counts = ["Deviations", "Fails", "Fixed", "Not applicable", "Errors"];
  return [
    make("h2", "Servers"),
    make(
      "p.lead",
      [
        "Ordered by the share of ",
        make("b", "must"),
        " checks that pass, then by that of ",
        make("b", "should"),
        ". ",
      ],
      "A share is of the checks that apply: what asks for something that a server does not declare is left out, ",
      "and told under not applicable. A deviation counts as a failure, whether it is listed or not; a check that ",
      "is listed and passes counts as a pass. Errors of the harness are neither, and stand apart: with any, the ",
      "rank is not final. Equal shares have the same rank.",
    ),
    table(
      "Ranking",
      "ranking",
      ["Rank", "Server", "Version", "must", "should", "contract", ...counts],
      found.map(row),
    ),
    found.some(one => one.rank && one.counts.error) && make("p.soft", "* not final: there were errors."),
  ];
}

// ---- one server ----

function serverView(token = "") {
  const server = findServer(token);
  if (server === null) {
    return [
      make("h2", "No such server"),
      make("p", "These results have no server ", code(decoded(token)), "."),
    ];
  }
  const held = checks.filter(check => verdictOf(check, server).name !== "absent");
  const rest = make("div", {"aria-busy": "true"}, make("p.soft", "Reading …"));
  load("notes")
    .then(
      notes => rest.replaceChildren(...present(serverRest(server, held, notes))),
      error => rest.replaceChildren(make("p.notice", `The details cannot be shown: ${error.message}`)),
    )
    .finally(() => rest.removeAttribute("aria-busy"));
  const column = new URLSearchParams({server: server.name, open: ""});
  return [
    make("h2", server.name, make("small", ` ${server.project} ${server.version ?? "version unknown"}`)),
    server.error && make("section.notice", make("h3", "Did not start, or broke off"), message(server.error)),
    terms("facts", [
      ["Project", server.project],
      ["Version", server.version ?? "unknown"],
      ["Python", server.python ?? "unknown"],
      ["Framework", server.framework],
      ["Command", code(server.command), "long"],
      [
        "Declares",
        Object.entries(server.capabilities).map(([name, value]) => make("span.tag", `${name}: ${value}`)),
        "long",
      ],
    ]),
    held.length > 0 && countsTable(server, held),
    make(
      "p",
      link(`#?${column}`, "Its column of the matrix"),
      reference !== null && server !== reference && " · ",
      reference !== null &&
        server !== reference &&
        link(compareLink(reference, server), `Compare with ${reference.name}`),
    ),
    rest,
  ];
}

function countsTable(server, held) {
  const byLevel = grouped(held, check => check.level);
  const rows = [
    ...levels.filter(level => byLevel.has(level)).map(level => [level, byLevel.get(level)]),
    ["all", held],
  ];
  return table(
    "Counts",
    "counts",
    ["Level", "Checks", ...verdictNames],
    rows.map(([name, among]) => {
      const counts = countVerdicts(server, among);
      const cell = verdict => numberCell(counts[verdict], verdict === "pass" ? "" : `v-${verdict}`);
      return make("tr", heading(name), numberCell(among.length), verdictNames.map(cell));
    }),
  );
}

function serverRest(server, held, {servers: all, expectations, messages}) {
  const notes = all[server.number];
  const told = check => messages[notes[check.number]?.[1]] ?? "";
  const named = name => held.filter(check => verdictOf(check, server).name === name);
  const list = (heading, found, groups, entry) =>
    found.length > 0 &&
    section(
      `${heading} (${found.length})`,
      make(
        "ul.entries",
        [...groups].map(([key, among]) => make("li", entry(key, among))),
      ),
    );

  const unexpected = (root, among) => {
    const follow = among.filter(check => check !== root);
    return [
      make(
        "p",
        verdictBadge(root, server),
        " ",
        checkAnchor(root, server),
        make("small.soft", ` ${root.level}`),
      ),
      make("p", marked(root.title)),
      told(root) && message(told(root)),
      follow.length > 0 && make("p.soft", "From it follow ", checkAnchors(follow, server)),
    ];
  };
  const [errors, fails, fixed, deviations, others] = [
    "error",
    "fail",
    "fixed",
    "deviation",
    "not-applicable",
  ].map(named);
  return [
    list("Errors", errors, grouped(errors, told), (text, among) => [
      message(text),
      make(
        "p",
        checkAnchors(among.slice(0, 20), server),
        among.length > 20 && ` and ${among.length - 20} more`,
      ),
    ]),
    // One root cause is told once.
    list(
      "Fails that are not listed",
      fails,
      grouped(fails, check => rootOf(check, server)),
      unexpected,
    ),
    list(
      "Listed, but passes",
      fixed,
      grouped(fixed, check => check),
      unexpected,
    ),
    deviations.length > 0 &&
      section(
        `Deviations (${deviations.length})`,
        levels.map(level => {
          const among = deviations.filter(check => check.level === level);
          return (
            among.length > 0 &&
            deviationsOf(server, level, among, check => expectations[notes[check.number]?.[0]])
          );
        }),
      ),
    list("Not applicable", others, grouped(others, told), (reason, among) => [
      make("p", reason),
      make("details", make("summary", plural(among.length, "check")), make("p", checkAnchors(among, server))),
    ]),
  ];
}

// The deviations of a level by area, and in it by the entry that lists them.
function deviationsOf(server, level, among, expectationOf) {
  const entry = ([expectation, found]) =>
    make(
      "li",
      make("p", checkAnchors(found, server)),
      expectation && [
        make("p", expectation.instead),
        prose(expectation.reason, "soft"),
        expectation.reference && make("p.reference", outside(expectation.reference)),
      ],
    );
  return make(
    "details.group",
    {open: true},
    make("summary", `${level} (${among.length})`),
    [...grouped(among, check => check.area)].map(([area, inArea]) => [
      make("h4", `${area} (${inArea.length})`),
      make("ul.entries", [...grouped(inArea, expectationOf)].map(entry)),
    ]),
  );
}
