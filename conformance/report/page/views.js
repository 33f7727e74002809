// The other views: servers and their ranking, one server, what people ask, a comparison of two
// columns, and what changed since an earlier run.

const heading2 = (text, ...more) => make("h2", text, more);
const heads = (...names) =>
  make(
    "thead",
    make(
      "tr",
      names.map(name => make("th", {scope: "col"}, name)),
    ),
  );
const wide = (label, table) => make("div.wide", {tabindex: "0", role: "region", "aria-label": label}, table);
const cellLinks = (found, server) =>
  found.map((check, number) => [number ? ", " : "", make("a", {href: cellLink(check, server)}, check.id)]);

function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}

// ---- the ranking ----

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
  const found = servers.map(server => ({
    server,
    counts: countVerdicts(server),
    scores: Object.fromEntries(["must", "should", "contract"].map(level => [level, scoreOf(server, level)])),
  }));
  const order = (a, b) =>
    compareShares(a.scores.must, b.scores.must) || compareShares(a.scores.should, b.scores.should);
  const ranked = found.filter(one => one.scores.must.of > 0).sort(order);
  ranked.forEach((one, number) => {
    const before = ranked[number - 1];
    one.rank = before && order(before, one) === 0 ? before.rank : number + 1;
  });
  return [...ranked, ...found.filter(one => one.scores.must.of === 0)];
}

// Rounded down, so that only what passes everything has 100 %.
const percent = ({passed, of}) => `${(Math.floor((1000 * passed) / of) / 10).toFixed(1)} %`;

function shareCell(score) {
  if (score.of === 0) return make("td", {class: "number soft"}, "–");
  const cell = make(
    "td",
    {class: "number share"},
    make("b", percent(score)),
    " ",
    make("small", `${score.passed}/${score.of}`),
  );
  cell.style.setProperty("--share", `${(100 * score.passed) / score.of}%`);
  return cell;
}

function rankingView() {
  const number = value => make("td.number", value ? value.toLocaleString("en") : make("span.soft", "0"));
  const found = ranking();
  return [
    heading2("Servers"),
    make(
      "p.lead",
      "Ordered by the share of ",
      make("b", "must"),
      " checks that pass, then by that of ",
      make("b", "should"),
      ". A share is of the checks that apply: what asks for something a server does not declare is left out, and told under not applicable. ",
      "A deviation counts as a failure, whether it is listed or not; a check that is listed and passes counts as a pass. ",
      "Errors of the harness are neither, and stand apart: with any, the rank is not final. Equal shares have the same rank.",
    ),
    wide(
      "Ranking",
      make(
        "table.list",
        {id: "ranking"},
        heads(
          "Rank",
          "Server",
          "Version",
          "must",
          "should",
          "contract",
          "Deviations",
          "Fails",
          "Fixed",
          "Not applicable",
          "Errors",
        ),
        make(
          "tbody",
          found.map(({server, counts, scores, rank}) =>
            make(
              "tr",
              make("td", {class: "number rank"}, rank ? `${rank}${counts.error ? "*" : ""}` : "–"),
              make(
                "th",
                {scope: "row"},
                make("a", {href: serverLink(server)}, server.name),
                server.error && make("small.soft", " did not start, or broke off"),
              ),
              make("td", server.version ?? make("span.soft", "unknown")),
              ["must", "should", "contract"].map(level => shareCell(scores[level])),
              ["deviation", "fail", "fixed", "not-applicable"].map(name => number(counts[name])),
              make(
                "td",
                {class: `number ${counts.error ? "v-error" : ""}`},
                counts.error || make("span.soft", "0"),
              ),
            ),
          ),
        ),
      ),
    ),
    found.some(one => one.rank && one.counts.error) && make("p.soft", "* not final: there were errors."),
  ].filter(Boolean);
}

// ---- one server ----

function serverView(token) {
  const server = findServer(token ?? "");
  if (server === null)
    return [
      heading2("No such server"),
      make("p", "These results have no server ", code(decoded(token ?? "")), "."),
    ];
  const fact = (name, value) => make("div", make("dt", name), make("dd", value));
  const names = ["pass", "deviation", "fail", "fixed", "not-applicable", "error"];
  const held = checks.filter(check => verdictOf(check, server).name !== "absent");
  const used = levels.filter(level => held.some(check => check.level === level));
  const rows = [...used.map(level => [level, held.filter(check => check.level === level)]), ["all", held]];
  const rest = make("div", {"aria-busy": "true"}, make("p.soft", "Reading …"));
  load("notes")
    .then(
      notes => rest.replaceChildren(...serverRest(server, held, notes).flat(Infinity).filter(Boolean)),
      error => rest.replaceChildren(make("p.notice", `The details cannot be shown: ${error.message}`)),
    )
    .finally(() => rest.removeAttribute("aria-busy"));
  return [
    heading2(server.name, make("small", ` ${server.project} ${server.version ?? "version unknown"}`)),
    server.error &&
      make("section.notice", make("h3", "Did not start, or broke off"), make("pre.message", server.error)),
    make(
      "dl.facts",
      fact("Project", server.project),
      fact("Version", server.version ?? "unknown"),
      fact("Python", server.python ?? "unknown"),
      fact("Framework", server.framework),
      make("div.long", make("dt", "Command"), make("dd", code(server.command))),
      make(
        "div.long",
        make("dt", "Declares"),
        make(
          "dd",
          Object.entries(server.capabilities).map(([name, value]) => make("span.tag", `${name}: ${value}`)),
        ),
      ),
    ),
    held.length > 0 &&
      wide(
        "Counts",
        make(
          "table",
          {class: "list counts"},
          heads("Level", "Checks", ...names),
          make(
            "tbody",
            rows.map(([level, among]) => {
              const counts = countVerdicts(server, among);
              return make(
                "tr",
                make("th", {scope: "row"}, level),
                make("td.number", among.length),
                names.map(name =>
                  make(
                    "td",
                    {class: `number ${counts[name] && name !== "pass" ? `v-${name}` : ""}`},
                    counts[name] || make("span.soft", "0"),
                  ),
                ),
              );
            }),
          ),
        ),
      ),
    make(
      "p",
      make(
        "a",
        {href: `#?${new URLSearchParams({server: server.name, open: ""})}`},
        "Its column of the matrix",
      ),
      servers.length > 1 &&
        reference !== null &&
        server !== reference && [
          " · ",
          make(
            "a",
            {href: `#compare/${serverToken(reference)}/${serverToken(server)}`},
            `Compare with ${reference.name}`,
          ),
        ],
    ),
    rest,
  ].filter(Boolean);
}

function serverRest(server, held, {servers: all, expectations, messages}) {
  const notes = all[server.number];
  const named = name => held.filter(check => verdictOf(check, server).name === name);
  const told = check => messages[notes[check.number]?.[1]] ?? "";
  const unexpected = (name, heading) => {
    const found = named(name);
    if (found.length === 0) return null;
    // One root cause is told once.
    const roots = grouped(found, check => (name === "fail" ? rootOf(check, server) : check));
    return section(
      `${heading} (${found.length})`,
      make(
        "ul.entries",
        [...roots].map(([root, follow]) =>
          make(
            "li",
            make(
              "p",
              badge(verdictOf(root, server), root.verdicts[server.number]),
              " ",
              make("a", {href: cellLink(root, server)}, root.id),
              make("small.soft", ` ${root.level}`),
            ),
            make("p", marked(root.title)),
            told(root) && make("pre.message", told(root)),
            follow.some(check => check !== root) &&
              make(
                "p.soft",
                "From it follow ",
                cellLinks(
                  follow.filter(check => check !== root),
                  server,
                ),
              ),
          ),
        ),
      ),
    );
  };
  const deviations = named("deviation");
  const reasons = grouped(named("not-applicable"), told);
  const errors = grouped(named("error"), told);
  return [
    errors.size > 0 &&
      section(
        `Errors (${named("error").length})`,
        make(
          "ul.entries",
          [...errors].map(([message, found]) =>
            make(
              "li",
              make("pre.message", message),
              make(
                "p",
                cellLinks(found.slice(0, 20), server),
                found.length > 20 && ` and ${found.length - 20} more`,
              ),
            ),
          ),
        ),
      ),
    unexpected("fail", "Fails that are not listed"),
    unexpected("fixed", "Listed, but passes"),
    deviations.length > 0 &&
      section(
        `Deviations (${deviations.length})`,
        levels.map(level => {
          const among = deviations.filter(check => check.level === level);
          return (
            among.length > 0 &&
            make(
              "details.group",
              {open: true},
              make("summary", `${level} (${among.length})`),
              [...grouped(among, check => check.area)].map(([area, inArea]) => [
                make("h4", `${area} (${inArea.length})`),
                make(
                  "ul.entries",
                  [...grouped(inArea, check => notes[check.number]?.[0])].map(([entry, found]) => {
                    const expectation = expectations[entry];
                    return make(
                      "li",
                      make("p", cellLinks(found, server)),
                      expectation && [
                        expectation.instead && make("p", expectation.instead),
                        prose(expectation.reason, "soft"),
                        expectation.reference && make("p.reference", outside(expectation.reference)),
                      ],
                    );
                  }),
                ),
              ]),
            )
          );
        }),
      ),
    reasons.size > 0 &&
      section(
        `Not applicable (${named("not-applicable").length})`,
        make(
          "ul.entries",
          [...reasons].map(([reason, found]) =>
            make(
              "li",
              make("p", reason),
              make(
                "details",
                make("summary", plural(found.length, "check")),
                make("p", cellLinks(found, server)),
              ),
            ),
          ),
        ),
      ),
  ];
}

// ---- what people ask ----

const answers = {
  yes: ["pass", "yes", "✓"],
  partly: ["deviation", "partly", "~"],
  no: ["fail", "no", "✗"],
  "not-declared": ["not-applicable", "not declared", "–"],
  unknown: ["not-applicable", "unknown", "?"],
};

function supportView(token) {
  const asked = overview.support.find(one => encode(one.id) === encode(decoded(token ?? "")));
  const groups = grouped(overview.support, one => one.group);
  const table = make(
    "table.support",
    make(
      "thead",
      make(
        "tr",
        make("th.corner", {scope: "col"}, "Question"),
        servers.map(server =>
          make("th", {scope: "col"}, make("a", {href: serverLink(server)}, make("span", server.name))),
        ),
      ),
    ),
    [...groups].map(([group, questions]) =>
      make(
        "tbody",
        make("tr.group", make("th", {scope: "rowgroup", colspan: servers.length + 1}, make("span", group))),
        questions.map(one =>
          make(
            "tr",
            {class: one === asked ? "asked" : null},
            make(
              "th",
              {scope: "row"},
              make("a", {href: `#support/${encode(one.id)}`, title: one.why}, marked(one.question)),
            ),
            servers.map(server => {
              const [style, , sign] = answers[one.servers[server.number].answer] ?? answers.unknown;
              const label = `${server.name}: ${answerWords(one.servers[server.number])}`;
              return make(
                "td",
                {class: `v-${style}`},
                make(
                  "a",
                  {
                    href: `#support/${encode(one.id)}/${serverToken(server)}`,
                    "aria-label": label,
                    title: label,
                  },
                  sign,
                ),
              );
            }),
          ),
        ),
      ),
    ),
  );
  return [
    heading2("Support"),
    make(
      "p.lead",
      "What people ask of a server, answered by the checks: yes where all that apply pass, no where none of those that decide does. It says what a server does, not whether it may: a no is often allowed, and what the proxy in front does is not seen here. Each answer leads to its checks.",
    ),
    asked && supportAnswer(asked, [...arguments].slice(1)),
    make(
      "ul.legend",
      Object.values(answers).map(([style, word, sign]) =>
        make("li", make("b", {class: `v-${style}`, "aria-hidden": "true"}, sign), ` ${word}`),
      ),
    ),
    make("div", {class: "wide tall", tabindex: "0", role: "region", "aria-label": "Answers"}, table),
  ].filter(Boolean);
}

function answerWords({answer, failing, applicable}) {
  const [, word] = answers[answer] ?? answers.unknown;
  return failing.length === 0
    ? word
    : `${word}, ${failing.length}${applicable ? ` of ${applicable} checks` : " checks"} failing`;
}

function supportAnswer(asked, [token]) {
  const only = token ? findServer(token) : null;
  const about = asked.checks.map(number => checks[number]);
  return make(
    "section.card",
    {"aria-label": asked.question},
    make("h3", marked(asked.question)),
    only &&
      make(
        "p",
        make("a", {href: serverLink(only)}, only.name),
        ": ",
        make("b", answerWords(asked.servers[only.number])),
      ),
    make("p", marked(asked.why), asked.asked && [" ", outside(asked.asked, "Where it was asked.")]),
    make(
      "ul.plain",
      about.map(check =>
        make(
          "li",
          only && [verdictBadge(check, only), " "],
          make("a", {href: only ? cellLink(check, only) : checkLink(check)}, check.id),
          " ",
          marked(check.title),
        ),
      ),
    ),
  );
}

// ---- two columns ----

function compareView(left, right) {
  const before = findServer(left ?? "") ?? reference ?? servers[0];
  const after = findServer(right ?? "") ?? servers.find(server => server !== before);
  if (!before || !after)
    return [heading2("Compare"), make("p", "There are no two servers in these results.")];
  const choose = (name, chosen, link) =>
    make(
      "label",
      `${name} `,
      make(
        "select",
        {
          "aria-label": name,
          onchange: event => {
            location.hash = link(servers[Number(event.target.value)]);
          },
        },
        servers.map(server =>
          make("option", {value: String(server.number), selected: server === chosen}, server.name),
        ),
      ),
    );
  const link = (a, b) => `#compare/${serverToken(a)}/${serverToken(b)}`;
  const outcomes = check =>
    [verdictOf(check, before), verdictOf(check, after)].map(verdict => verdict.outcome);
  const changedChecks = checks.filter(check => {
    const [a, b] = outcomes(check);
    return a && b && a !== b;
  });
  const breaks = changedChecks.filter(check => verdictOf(check, after).outcome === "fail");
  const mends = changedChecks.filter(check => verdictOf(check, after).outcome === "pass");
  const onlyOne = checks.filter(check => {
    const [a, b] = outcomes(check);
    return Boolean(a) !== Boolean(b);
  });
  const other = checks.filter(check => {
    const [a, b] = outcomes(check);
    const [x, y] = [before, after].map(server => check.answers[server.number]);
    return a && a === b && x !== " " && y !== " " && x !== y;
  });
  const byLevel = found =>
    counted(
      Object.fromEntries(levels.map(level => [level, found.filter(check => check.level === level).length])),
      levels,
    );
  const list = (name, found, sign) =>
    found.length > 0 &&
    make(
      "details.group",
      {open: sign !== ""},
      make("summary", make("h3", `${name} (${found.length})`, make("small", ` ${byLevel(found)}`))),
      [...grouped(found, check => check.why.group)].map(([group, among]) => [
        make("h4", group),
        make(
          "ul.entries",
          among.map(check =>
            make(
              "li",
              make(
                "p",
                sign &&
                  make(
                    "b",
                    {class: sign === "−" ? "v-fail sign" : "v-pass sign", "aria-hidden": "true"},
                    sign,
                  ),
                " ",
                make("a", {href: cellLink(check, after, {beside: before.name})}, check.id),
                make("small.soft", ` ${check.level}`),
              ),
              make("p", marked(check.title)),
              sign &&
                check.why.text &&
                make("p.soft", `${sign === "−" ? "Now" : "Before"}: ${check.why.text}`),
            ),
          ),
        ),
      ]),
    );
  return [
    heading2("Compare"),
    make(
      "p.pickers",
      choose("From", before, server => link(server, after)),
      " ",
      choose("to", after, server => link(before, server)),
      " ",
      make("a", {href: link(after, before)}, "the other way round"),
    ),
    make(
      "p.lead",
      `Moving from ${before.name}${before.version ? ` ${before.version}` : ""} to ${after.name}${after.version ? ` ${after.version}` : ""}: `,
      make("b", `${breaks.length} checks that passed fail`),
      `, ${mends.length} that failed pass, ${other.length} are answered differently with the same outcome.`,
    ),
    list(`Passes on ${before.name}, fails on ${after.name}`, breaks, "−"),
    list(`Fails on ${before.name}, passes on ${after.name}`, mends, "+"),
    list("Answered differently, with the same outcome", other, ""),
    list("Judged on one of them only", onlyOne, ""),
    changedChecks.length + other.length + onlyOne.length === 0 && make("p", "Nothing is different."),
  ].filter(Boolean);
}

// ---- since an earlier run ----

const summaryOf = found =>
  Object.entries({
    "newly failing": found.failing,
    "newly passing": found.passing,
    "with another verdict": found.otherwise,
    added: found.added,
    removed: found.removed,
  })
    .filter(([, list]) => list.length)
    .map(([name, list]) => `${list.length} ${name}`)
    .join(", ");

function changesView() {
  if (!base) return [heading2("Changes"), make("p", "There is no earlier run in this page.")];
  const before = new Map(base.servers.map((server, number) => [server.name, {...server, number}]));
  const earlier = new Map(base.checks.map(check => [check.id, check]));
  const current = new Map(checks.map(check => [check.id, check]));
  const words = sign => verdicts.get(sign) ?? verdicts.get(" ");
  const changes = servers
    .filter(server => before.has(server.name))
    .map(server => {
      const old = before.get(server.name);
      const found = {failing: [], passing: [], otherwise: [], added: [], removed: []};
      for (const check of checks) {
        const [then, now] = [
          words(earlier.get(check.id)?.verdicts[old.number] ?? " "),
          verdictOf(check, server),
        ];
        if (then.name === now.name) continue;
        if (then.name === "absent") found.added.push(check);
        else if (now.name === "absent") found.removed.push(check);
        else if (now.outcome === "fail" && then.outcome === "pass") found.failing.push(check);
        else if (now.outcome === "pass" && then.outcome === "fail") found.passing.push(check);
        else found.otherwise.push({check, then, now});
      }
      for (const check of base.checks) {
        if (!current.has(check.id) && words(check.verdicts[old.number]).name !== "absent")
          found.removed.push(check);
      }
      return {server, old, found};
    });
  const gone = base.servers.filter(server => !servers.some(one => one.name === server.name));
  const added = servers.filter(server => !before.has(server.name));
  const number = found => make("td.number", found.length || make("span.soft", "0"));
  const list = (name, found, server, style) =>
    found.length > 0 && [
      make("h4", `${name} (${found.length})`),
      make(
        "ul",
        {class: "entries tight"},
        found.map(check =>
          make(
            "li",
            style && [
              make("b", {class: `${style} sign`, "aria-hidden": "true"}, style === "v-fail" ? "−" : "+"),
              " ",
            ],
            check.number === undefined
              ? code(check.id)
              : [
                  make("a", {href: cellLink(check, server)}, check.id),
                  make("small.soft", ` ${check.level}: `, marked(check.title)),
                ],
          ),
        ),
      ),
    ];
  const version = one => [one.version ?? "unknown", one.python && ` on Python ${one.python}`];
  return [
    heading2("Changes"),
    make(
      "p.lead",
      "Since the run of ",
      moment(base.run.started),
      "; this one is of ",
      moment(run.started),
      ".",
    ),
    changes.length > 0 &&
      wide(
        "Changes by server",
        make(
          "table.list",
          {id: "by-server"},
          heads(
            "Server",
            "Version then",
            "Version now",
            "Newly failing",
            "Newly passing",
            "Other verdict",
            "Added",
            "Removed",
          ),
          make(
            "tbody",
            changes.map(({server, old, found}) =>
              make(
                "tr",
                make("th", {scope: "row"}, make("a", {href: serverLink(server)}, server.name)),
                make("td", version(old)),
                make("td", version(server)),
                make(
                  "td",
                  {class: `number ${found.failing.length ? "v-fail" : ""}`},
                  found.failing.length || make("span.soft", "0"),
                ),
                number(found.passing),
                number(found.otherwise),
                number(found.added),
                number(found.removed),
              ),
            ),
          ),
        ),
      ),
    added.length > 0 &&
      make(
        "p",
        "New in this run: ",
        added.map((server, at) => [at ? ", " : "", make("a", {href: serverLink(server)}, server.name)]),
      ),
    gone.length > 0 && make("p", `No more in this run: ${gone.map(server => server.name).join(", ")}`),
    changes
      .filter(({found}) => Object.values(found).some(list => list.length))
      .map(({server, found}) =>
        make(
          "details.group",
          {open: found.failing.length + found.passing.length > 0},
          make("summary", make("h3", server.name, make("small", ` ${summaryOf(found)}`))),
          list("Newly failing", found.failing, server, "v-fail"),
          list("Newly passing", found.passing, server, "v-pass"),
          found.otherwise.length > 0 && [
            make("h4", `Another verdict (${found.otherwise.length})`),
            make(
              "ul",
              {class: "entries tight"},
              found.otherwise.map(({check, then, now}) =>
                make(
                  "li",
                  make("a", {href: cellLink(check, server)}, check.id),
                  make("small.soft", ` ${then.name} → ${now.name}`),
                ),
              ),
            ),
          ],
          list("Added", found.added, server),
          list("Removed", found.removed, server),
        ),
      ),
    changes.length > 0 &&
      changes.every(({found}) => Object.values(found).every(list => list.length === 0)) &&
      make("p", "No verdict changed."),
  ]
    .flat(Infinity)
    .filter(Boolean);
}
