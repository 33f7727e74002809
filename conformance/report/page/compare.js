// What is different: between two columns of this run, and between this run and an earlier one.

const compareLink = (before, after) => `#compare/${serverToken(before)}/${serverToken(after)}`;
const better = () => make("b.v-pass.sign", {"aria-hidden": "true"}, "+");
const worse = () => make("b.v-fail.sign", {"aria-hidden": "true"}, "-");

function compareView(left = "", right = "") {
  const before = findServer(left) ?? reference ?? servers[0];
  const after = findServer(right) ?? servers.find(server => server !== before);
  if (!before || !after)
    return [make("h2", "Compare"), make("p", "There are no two servers in these results.")];

  const [breaks, mends, answered, onlyOne] = [[], [], [], []];
  for (const check of checks) {
    const [then, now] = [before, after].map(server => verdictOf(check, server).outcome);
    const [one, two] = [before, after].map(server => check.answers[server.number]);
    if (!then !== !now) onlyOne.push(check);
    else if (then !== now) (now === "fail" ? breaks : mends).push(check);
    else if (then && one !== " " && two !== " " && one !== two) answered.push(check);
  }
  const choose = (name, chosen, linkTo) =>
    make(
      "label",
      `${name} `,
      make(
        "select",
        {
          "aria-label": name,
          "onchange": event => {
            location.hash = linkTo(servers[event.target.value]);
          },
        },
        servers.map(server =>
          make("option", {value: server.number, selected: server === chosen}, server.name),
        ),
      ),
    );
  const named = server => `${server.name} ${server.version ?? ""}`.trim();
  const list = (name, found, sign, tense) => comparedList(name, found, before, after, sign, tense);
  return [
    make("h2", "Compare"),
    make(
      "p.pickers",
      choose("From", before, server => compareLink(server, after)),
      choose("to", after, server => compareLink(before, server)),
      link(compareLink(after, before), "the other way round"),
    ),
    make(
      "p.lead",
      `Moving from ${named(before)} to ${named(after)}: `,
      make("b", `${breaks.length} checks that passed fail`),
      `, ${mends.length} that failed pass, ${answered.length} are answered differently with the same outcome.`,
    ),
    list(`Passes on ${before.name}, fails on ${after.name}`, breaks, worse, "Now"),
    list(`Fails on ${before.name}, passes on ${after.name}`, mends, better, "Before"),
    list("Answered differently, with the same outcome", answered),
    list("Judged on one of them only", onlyOne),
    [breaks, mends, answered, onlyOne].every(found => found.length === 0) &&
      make("p", "Nothing is different."),
  ];
}

// By what it means for an application; what changed its outcome is open, and says that.
function comparedList(name, found, before, after, sign, tense) {
  if (found.length === 0) return null;
  const byLevel = levels.map(level => [level, found.filter(check => check.level === level).length]);
  const entry = check =>
    make(
      "li",
      make(
        "p",
        sign?.(),
        " ",
        checkAnchor(check, after, {beside: before.name}),
        make("small.soft", ` ${check.level}`),
      ),
      make("p", marked(check.title)),
      tense && check.why.text && make("p.soft", `${tense}: ${check.why.text}`),
    );
  return group(
    `${name} (${found.length})`,
    counted(Object.fromEntries(byLevel), levels),
    Boolean(tense),
    [...grouped(found, check => check.why.group)].map(([meaning, among]) => [
      make("h4", meaning),
      make("ul.entries", among.map(entry)),
    ]),
  );
}

// ---- since an earlier run ----

const changeNames = {
  failing: "newly failing",
  passing: "newly passing",
  otherwise: "with another verdict",
  added: "added",
  removed: "removed",
};

// What changed on a server; a listed failure is one as well, so that to list it changes no outcome.
function changesOf(server, old) {
  const found = Object.fromEntries(Object.keys(changeNames).map(name => [name, []]));
  const earlier = new Map(base.checks.map(check => [check.id, verdicts.get(check.verdicts[old.number])]));
  for (const check of checks) {
    const [then, now] = [earlier.get(check.id) ?? verdicts.get(" "), verdictOf(check, server)];
    earlier.delete(check.id);
    if (then.name === now.name) continue;
    const change =
      then.name === "absent"
        ? "added"
        : now.name === "absent"
          ? "removed"
          : !then.outcome || !now.outcome || then.outcome === now.outcome
            ? "otherwise"
            : now.outcome === "fail"
              ? "failing"
              : "passing";
    found[change].push({check, then, now});
  }
  for (const [id, then] of earlier) if (then.name !== "absent") found.removed.push({id});
  return found;
}

function changesView() {
  if (!base) return [make("h2", "Changes"), make("p", "There is no earlier run in this page.")];
  const before = new Map(base.servers.map((server, number) => [server.name, {...server, number}]));
  const changes = servers
    .filter(server => before.has(server.name))
    .map(server => ({
      server,
      old: before.get(server.name),
      found: changesOf(server, before.get(server.name)),
    }));
  const added = servers.filter(server => !before.has(server.name));
  const gone = base.servers.filter(old => !servers.some(server => server.name === old.name));
  const version = one => make("td", one.version ?? "unknown", one.python && ` on Python ${one.python}`);
  const heads = [
    "Server",
    "Version then",
    "Version now",
    "Newly failing",
    "Newly passing",
    "Other verdict",
    "Added",
    "Removed",
  ];
  const changed = changes.filter(({found}) => Object.values(found).some(list => list.length));
  return [
    make("h2", "Changes"),
    make(
      "p.lead",
      "Since the run of ",
      moment(base.run.started),
      "; this one is of ",
      moment(run.started),
      ".",
    ),
    changes.length > 0 &&
      table(
        "Changes by server",
        "by-server",
        heads,
        changes.map(({server, old, found}) =>
          make(
            "tr",
            heading(serverAnchor(server)),
            version(old),
            version(server),
            Object.keys(changeNames).map(name =>
              numberCell(found[name].length, name === "failing" ? "v-fail" : ""),
            ),
          ),
        ),
      ),
    added.length > 0 && make("p", "New in this run: ", joined(added, serverAnchor)),
    gone.length > 0 &&
      make(
        "p",
        "No more in this run: ",
        joined(gone, server => server.name),
      ),
    changed.map(({server, found}) => serverChanges(server, found)),
    changes.length > 0 && changed.length === 0 && make("p", "No verdict changed."),
  ];
}

function serverChanges(server, found) {
  const counts = Object.fromEntries(
    Object.entries(changeNames).map(([key, name]) => [name, found[key].length]),
  );
  const entry =
    sign =>
    ({check, id, then, now}) =>
      check
        ? make(
            "li",
            sign?.(),
            " ",
            checkAnchor(check, server),
            make("small.soft", ` ${check.level}: ${then.name} → ${now.name}`),
          )
        : make("li", code(id));
  const list = (key, sign) =>
    found[key].length > 0 && [
      make("h4", `${found[key].length} ${changeNames[key]}`),
      make("ul.entries.tight", found[key].map(entry(sign))),
    ];
  return group(
    server.name,
    counted(counts, Object.values(changeNames)),
    found.failing.length + found.passing.length > 0,
    list("failing", worse),
    list("passing", better),
    list("otherwise"),
    list("added"),
    list("removed"),
  );
}
