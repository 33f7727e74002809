// The other views: servers and their ranking, one server, what people ask, a comparison of two
// columns, and what changed since an earlier run.

const heading2 = (text, ...more) => element("h2", {}, text, more);
const heads = (...names) => element("thead", {}, element("tr", {}, names.map(name => element("th", {scope: "col"}, name))));
const wide = (label, table) => element("div", {class: "wide", tabindex: "0", role: "region", "aria-label": label}, table);
const cellLinks = (found, server) => found.map((check, number) => [number ? ", " : "", element("a", {href: cellLink(check, server)}, check.id)]);

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
  const counts = countVerdicts(server, checks.filter(check => check.level === level));
  const passed = counts.pass + counts.fixed;
  return {passed, of: passed + counts.fail + counts.deviation};
}

// Shares are compared as fractions: rounded ones would tie what does not.
const compareShares = (a, b) => b.passed * a.of - a.passed * b.of;

function ranking() {
  const found = servers.map(server => ({
    server, counts: countVerdicts(server), scores: Object.fromEntries(["must", "should", "contract"].map(level => [level, scoreOf(server, level)])),
  }));
  const order = (a, b) => compareShares(a.scores.must, b.scores.must) || compareShares(a.scores.should, b.scores.should);
  const ranked = found.filter(one => one.scores.must.of > 0).sort(order);
  ranked.forEach((one, number) => {
    const before = ranked[number - 1];
    one.rank = before && order(before, one) === 0 ? before.rank : number + 1;
  });
  return [...ranked, ...found.filter(one => one.scores.must.of === 0)];
}

// Rounded down, so that only what passes everything has 100 %.
const percent = ({passed, of}) => `${(Math.floor(1000 * passed / of) / 10).toFixed(1)} %`;

function shareCell(score) {
  if (score.of === 0) return element("td", {class: "number soft"}, "–");
  const cell = element("td", {class: "number share"}, element("b", {}, percent(score)), " ", element("small", {}, `${score.passed}/${score.of}`));
  cell.style.setProperty("--share", `${100 * score.passed / score.of}%`);
  return cell;
}

function rankingView() {
  const number = value => element("td", {class: "number"}, value ? value.toLocaleString("en") : element("span", {class: "soft"}, "0"));
  const found = ranking();
  return [
    heading2("Servers"),
    element("p", {class: "lead"}, "Ordered by the share of ", element("b", {}, "must"), " checks that pass, then by that of ", element("b", {}, "should"),
      ". A share is of the checks that apply: what asks for something a server does not declare is left out, and told under not applicable. ",
      "A deviation counts as a failure, whether it is listed or not; a check that is listed and passes counts as a pass. ",
      "Errors of the harness are neither, and stand apart: with any, the rank is not final. Equal shares have the same rank."),
    wide("Ranking", element("table", {class: "list", id: "ranking"},
      heads("Rank", "Server", "Version", "must", "should", "contract", "Deviations", "Fails", "Fixed", "Not applicable", "Errors"),
      element("tbody", {}, found.map(({server, counts, scores, rank}) => element("tr", {},
        element("td", {class: "number rank"}, rank ? `${rank}${counts.error ? "*" : ""}` : "–"),
        element("th", {scope: "row"}, element("a", {href: serverLink(server)}, server.name), server.error && element("small", {class: "soft"}, " did not start, or broke off")),
        element("td", {}, server.version ?? element("span", {class: "soft"}, "unknown")),
        ["must", "should", "contract"].map(level => shareCell(scores[level])),
        ["deviation", "fail", "fixed", "not-applicable"].map(name => number(counts[name])),
        element("td", {class: `number ${counts.error ? "v-error" : ""}`}, counts.error || element("span", {class: "soft"}, "0"))))))),
    found.some(one => one.rank && one.counts.error) && element("p", {class: "soft"}, "* not final: there were errors."),
  ].filter(Boolean);
}

// ---- one server ----

function serverView(token) {
  const server = findServer(token ?? "");
  if (server === null) return [heading2("No such server"), element("p", {}, "These results have no server ", code(decoded(token ?? "")), ".")];
  const fact = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
  const names = ["pass", "deviation", "fail", "fixed", "not-applicable", "error"];
  const held = checks.filter(check => verdictOf(check, server).name !== "absent");
  const used = levels.filter(level => held.some(check => check.level === level));
  const rows = [...used.map(level => [level, held.filter(check => check.level === level)]), ["all", held]];
  const rest = element("div", {"aria-busy": "true"}, element("p", {class: "soft"}, "Reading …"));
  load("notes").then(notes => rest.replaceChildren(...serverRest(server, held, notes).flat(Infinity).filter(Boolean)),
    error => rest.replaceChildren(element("p", {class: "notice"}, `The details cannot be shown: ${error.message}`)),
  ).finally(() => rest.removeAttribute("aria-busy"));
  return [
    heading2(server.name, element("small", {}, ` ${server.project} ${server.version ?? "version unknown"}`)),
    server.error && element("section", {class: "notice"}, element("h3", {}, "Did not start, or broke off"), element("pre", {class: "message"}, server.error)),
    element("dl", {class: "facts"},
      fact("Project", server.project), fact("Version", server.version ?? "unknown"), fact("Python", server.python ?? "unknown"), fact("Framework", server.framework),
      element("div", {class: "long"}, element("dt", {}, "Command"), element("dd", {}, code(server.command))),
      element("div", {class: "long"}, element("dt", {}, "Declares"), element("dd", {}, Object.entries(server.capabilities).map(([name, value]) => element("span", {class: "tag"}, `${name}: ${value}`))))),
    held.length > 0 && wide("Counts", element("table", {class: "list counts"}, heads("Level", "Checks", ...names),
      element("tbody", {}, rows.map(([level, among]) => {
        const counts = countVerdicts(server, among);
        return element("tr", {}, element("th", {scope: "row"}, level), element("td", {class: "number"}, among.length),
          names.map(name => element("td", {class: `number ${counts[name] && name !== "pass" ? `v-${name}` : ""}`}, counts[name] || element("span", {class: "soft"}, "0"))));
      })))),
    element("p", {}, element("a", {href: `#?${new URLSearchParams({server: server.name, open: ""})}`}, "Its column of the matrix"),
      servers.length > 1 && reference !== null && server !== reference && [" · ", element("a", {href: `#compare/${serverToken(reference)}/${serverToken(server)}`}, `Compare with ${reference.name}`)]),
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
    const roots = grouped(found, check => name === "fail" ? rootOf(check, server) : check);
    return section(`${heading} (${found.length})`, element("ul", {class: "entries"}, [...roots].map(([root, follow]) => element("li", {},
      element("p", {}, badge(verdictOf(root, server), root.verdicts[server.number]), " ", element("a", {href: cellLink(root, server)}, root.id), element("small", {class: "soft"}, ` ${root.level}`)),
      element("p", {}, marked(root.title)),
      told(root) && element("pre", {class: "message"}, told(root)),
      follow.some(check => check !== root) && element("p", {class: "soft"}, "From it follow ", cellLinks(follow.filter(check => check !== root), server))))));
  };
  const deviations = named("deviation");
  const reasons = grouped(named("not-applicable"), told);
  const errors = grouped(named("error"), told);
  return [
    errors.size > 0 && section(`Errors (${named("error").length})`, element("ul", {class: "entries"}, [...errors].map(([message, found]) => element("li", {},
      element("pre", {class: "message"}, message), element("p", {}, cellLinks(found.slice(0, 20), server), found.length > 20 && ` and ${found.length - 20} more`))))),
    unexpected("fail", "Fails that are not listed"),
    unexpected("fixed", "Listed, but passes"),
    deviations.length > 0 && section(`Deviations (${deviations.length})`,
      levels.map(level => {
        const among = deviations.filter(check => check.level === level);
        return among.length > 0 && element("details", {open: true, class: "group"}, element("summary", {}, `${level} (${among.length})`),
          [...grouped(among, check => check.area)].map(([area, inArea]) => [element("h4", {}, `${area} (${inArea.length})`),
            element("ul", {class: "entries"}, [...grouped(inArea, check => notes[check.number]?.[0])].map(([entry, found]) => {
              const expectation = expectations[entry];
              return element("li", {},
                element("p", {}, cellLinks(found, server)),
                expectation && [expectation.instead && element("p", {}, expectation.instead),
                  prose(expectation.reason, "soft"),
                  expectation.reference && element("p", {class: "reference"}, outside(expectation.reference))]);
            }))]));
      })),
    reasons.size > 0 && section(`Not applicable (${named("not-applicable").length})`, element("ul", {class: "entries"}, [...reasons].map(([reason, found]) => element("li", {},
      element("p", {}, reason), element("details", {}, element("summary", {}, plural(found.length, "check")), element("p", {}, cellLinks(found, server))))))),
  ];
}

// ---- what people ask ----

const answers = {
  "yes": ["pass", "yes", "✓"], "partly": ["deviation", "partly", "~"], "no": ["fail", "no", "✗"],
  "not-declared": ["not-applicable", "not declared", "–"], "unknown": ["not-applicable", "unknown", "?"],
};

function supportView(token) {
  const asked = overview.support.find(one => encode(one.id) === encode(decoded(token ?? "")));
  const groups = grouped(overview.support, one => one.group);
  const table = element("table", {class: "support"},
    element("thead", {}, element("tr", {}, element("th", {scope: "col", class: "corner"}, "Question"),
      servers.map(server => element("th", {scope: "col"}, element("a", {href: serverLink(server)}, element("span", {}, server.name)))))),
    [...groups].map(([group, questions]) => element("tbody", {},
      element("tr", {class: "group"}, element("th", {scope: "rowgroup", colspan: servers.length + 1}, element("span", {}, group))),
      questions.map(one => element("tr", {class: one === asked ? "asked" : null},
        element("th", {scope: "row"}, element("a", {href: `#support/${encode(one.id)}`, title: one.why}, marked(one.question))),
        servers.map(server => {
          const [style, , sign] = answers[one.servers[server.number].answer] ?? answers.unknown;
          const label = `${server.name}: ${answerWords(one.servers[server.number])}`;
          return element("td", {class: `v-${style}`}, element("a", {
            href: `#support/${encode(one.id)}/${serverToken(server)}`, "aria-label": label, title: label,
          }, sign));
        }))))));
  return [
    heading2("Support"),
    element("p", {class: "lead"}, "What people ask of a server, answered by the checks: yes where all that apply pass, no where none of those that decide does. It says what a server does, not whether it may: a no is often allowed, and what the proxy in front does is not seen here. Each answer leads to its checks."),
    asked && supportAnswer(asked, [...arguments].slice(1)),
    element("ul", {class: "legend"}, Object.values(answers).map(([style, word, sign]) => element("li", {}, element("b", {class: `v-${style}`, "aria-hidden": "true"}, sign), ` ${word}`))),
    element("div", {class: "wide tall", tabindex: "0", role: "region", "aria-label": "Answers"}, table),
  ].filter(Boolean);
}

function answerWords({answer, failing, applicable}) {
  const [, word] = answers[answer] ?? answers.unknown;
  return failing.length === 0 ? word : `${word}, ${failing.length}${applicable ? ` of ${applicable} checks` : " checks"} failing`;
}

function supportAnswer(asked, [token]) {
  const only = token ? findServer(token) : null;
  const about = asked.checks.map(number => checks[number]);
  return element("section", {class: "card", "aria-label": asked.question},
    element("h3", {}, marked(asked.question)),
    only && element("p", {}, element("a", {href: serverLink(only)}, only.name), ": ", element("b", {}, answerWords(asked.servers[only.number]))),
    element("p", {}, marked(asked.why), asked.asked && [" ", outside(asked.asked, "Where it was asked.")]),
    element("ul", {class: "plain"}, about.map(check => element("li", {},
      only && [verdictBadge(check, only), " "], element("a", {href: only ? cellLink(check, only) : checkLink(check)}, check.id), " ", marked(check.title)))));
}

// ---- two columns ----

function compareView(left, right) {
  const before = findServer(left ?? "") ?? reference ?? servers[0];
  const after = findServer(right ?? "") ?? servers.find(server => server !== before);
  if (!before || !after) return [heading2("Compare"), element("p", {}, "There are no two servers in these results.")];
  const choose = (name, chosen, link) => element("label", {}, `${name} `, element("select", {
    "aria-label": name,
    onchange: event => { location.hash = link(servers[Number(event.target.value)]); },
  }, servers.map(server => element("option", {value: String(server.number), selected: server === chosen}, server.name))));
  const link = (a, b) => `#compare/${serverToken(a)}/${serverToken(b)}`;
  const outcomes = check => [verdictOf(check, before), verdictOf(check, after)].map(verdict => verdict.outcome);
  const changedChecks = checks.filter(check => { const [a, b] = outcomes(check); return a && b && a !== b; });
  const breaks = changedChecks.filter(check => verdictOf(check, after).outcome === "fail");
  const mends = changedChecks.filter(check => verdictOf(check, after).outcome === "pass");
  const onlyOne = checks.filter(check => { const [a, b] = outcomes(check); return Boolean(a) !== Boolean(b); });
  const other = checks.filter(check => {
    const [a, b] = outcomes(check);
    const [x, y] = [before, after].map(server => check.answers[server.number]);
    return a && a === b && x !== " " && y !== " " && x !== y;
  });
  const byLevel = found => counted(Object.fromEntries(levels.map(level => [level, found.filter(check => check.level === level).length])), levels);
  const list = (name, found, sign) => found.length > 0 && element("details", {open: sign !== "", class: "group"},
    element("summary", {}, element("h3", {}, `${name} (${found.length})`, element("small", {}, ` ${byLevel(found)}`))),
    [...grouped(found, check => check.why.group)].map(([group, among]) => [element("h4", {}, group), element("ul", {class: "entries"}, among.map(check => element("li", {},
      element("p", {}, sign && element("b", {class: sign === "−" ? "v-fail sign" : "v-pass sign", "aria-hidden": "true"}, sign), " ",
        element("a", {href: cellLink(check, after, {beside: before.name})}, check.id), element("small", {class: "soft"}, ` ${check.level}`)),
      element("p", {}, marked(check.title)),
      sign && check.why.text && element("p", {class: "soft"}, `${sign === "−" ? "Now" : "Before"}: ${check.why.text}`))))]));
  return [
    heading2("Compare"),
    element("p", {class: "pickers"}, choose("From", before, server => link(server, after)), " ", choose("to", after, server => link(before, server)), " ",
      element("a", {href: link(after, before)}, "the other way round")),
    element("p", {class: "lead"}, `Moving from ${before.name}${before.version ? ` ${before.version}` : ""} to ${after.name}${after.version ? ` ${after.version}` : ""}: `,
      element("b", {}, `${breaks.length} checks that passed fail`), `, ${mends.length} that failed pass, ${other.length} are answered differently with the same outcome.`),
    list(`Passes on ${before.name}, fails on ${after.name}`, breaks, "−"),
    list(`Fails on ${before.name}, passes on ${after.name}`, mends, "+"),
    list("Answered differently, with the same outcome", other, ""),
    list("Judged on one of them only", onlyOne, ""),
    changedChecks.length + other.length + onlyOne.length === 0 && element("p", {}, "Nothing is different."),
  ].filter(Boolean);
}

// ---- since an earlier run ----

function changesView() {
  if (!base) return [heading2("Changes"), element("p", {}, "There is no earlier run in this page.")];
  const before = new Map(base.servers.map((server, number) => [server.name, {...server, number}]));
  const earlier = new Map(base.checks.map(check => [check.id, check]));
  const current = new Map(checks.map(check => [check.id, check]));
  const words = sign => verdicts.get(sign) ?? verdicts.get(" ");
  const changes = servers.filter(server => before.has(server.name)).map(server => {
    const old = before.get(server.name);
    const found = {failing: [], passing: [], otherwise: [], added: [], removed: []};
    for (const check of checks) {
      const [then, now] = [words(earlier.get(check.id)?.verdicts[old.number] ?? " "), verdictOf(check, server)];
      if (then.name === now.name) continue;
      if (then.name === "absent") found.added.push(check);
      else if (now.name === "absent") found.removed.push(check);
      else if (now.outcome === "fail" && then.outcome === "pass") found.failing.push(check);
      else if (now.outcome === "pass" && then.outcome === "fail") found.passing.push(check);
      else found.otherwise.push({check, then, now});
    }
    for (const check of base.checks) {
      if (!current.has(check.id) && words(check.verdicts[old.number]).name !== "absent") found.removed.push(check);
    }
    return {server, old, found};
  });
  const gone = base.servers.filter(server => !servers.some(one => one.name === server.name));
  const added = servers.filter(server => !before.has(server.name));
  const number = found => element("td", {class: "number"}, found.length || element("span", {class: "soft"}, "0"));
  const list = (name, found, server, style) => found.length > 0 && [element("h4", {}, `${name} (${found.length})`), element("ul", {class: "entries tight"}, found.map(check => element("li", {},
    style && [element("b", {class: `${style} sign`, "aria-hidden": "true"}, style === "v-fail" ? "−" : "+"), " "],
    check.number === undefined ? code(check.id) : [element("a", {href: cellLink(check, server)}, check.id), element("small", {class: "soft"}, ` ${check.level}: `, marked(check.title))])))];
  const version = one => [one.version ?? "unknown", one.python && ` on Python ${one.python}`];
  return [
    heading2("Changes"),
    element("p", {class: "lead"}, "Since the run of ", moment(base.run.started), "; this one is of ", moment(run.started), "."),
    changes.length > 0 && wide("Changes by server", element("table", {class: "list", id: "by-server"}, heads("Server", "Version then", "Version now", "Newly failing", "Newly passing", "Other verdict", "Added", "Removed"),
      element("tbody", {}, changes.map(({server, old, found}) => element("tr", {}, element("th", {scope: "row"}, element("a", {href: serverLink(server)}, server.name)),
        element("td", {}, version(old)), element("td", {}, version(server)),
        element("td", {class: `number ${found.failing.length ? "v-fail" : ""}`}, found.failing.length || element("span", {class: "soft"}, "0")),
        number(found.passing), number(found.otherwise), number(found.added), number(found.removed)))))),
    added.length > 0 && element("p", {}, "New in this run: ", added.map((server, at) => [at ? ", " : "", element("a", {href: serverLink(server)}, server.name)])),
    gone.length > 0 && element("p", {}, `No more in this run: ${gone.map(server => server.name).join(", ")}`),
    changes.filter(({found}) => Object.values(found).some(list => list.length)).map(({server, found}) => element("details", {class: "group", open: found.failing.length + found.passing.length > 0},
      element("summary", {}, element("h3", {}, server.name)),
      list("Newly failing", found.failing, server, "v-fail"),
      list("Newly passing", found.passing, server, "v-pass"),
      found.otherwise.length > 0 && [element("h4", {}, `Another verdict (${found.otherwise.length})`), element("ul", {class: "entries tight"}, found.otherwise.map(({check, then, now}) => element("li", {},
        element("a", {href: cellLink(check, server)}, check.id), element("small", {class: "soft"}, ` ${then.name} → ${now.name}`))))],
      list("Added", found.added, server),
      list("Removed", found.removed, server))),
    changes.length > 0 && changes.every(({found}) => Object.values(found).every(list => list.length === 0)) && element("p", {}, "No verdict changed."),
  ].flat(Infinity).filter(Boolean);
}
