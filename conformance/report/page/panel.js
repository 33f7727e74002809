// What is opened above a view: a cell (one check on one server, with all that is known of it), or a
// check (on all servers).

const panel = document.getElementById("panel");
let opened = null;

// Open the panel, or show something else in it. `partsOf` returns what it begins with, and a promise of the rest.
function openPanel(what, partsOf) {
  opened = what ?? {};
  const now = opened;
  const parts = partsOf();
  panel.replaceChildren(
    make(
      "div.panel-bar",
      parts.bar ?? null,
      make("button.quiet", {type: "button", id: "close", "aria-label": "Close", onclick: leavePanel}, "✕"),
    ),
    make("div.panel-body", {tabindex: "-1"}, parts.head),
  );
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  panel.querySelector("#panel-title")?.focus({preventScroll: true});
  const body = panel.querySelector(".panel-body");
  panel.setAttribute("aria-busy", "true");
  Promise.resolve(parts.rest?.())
    .then(
      rest => {
        if (opened === now && rest) body.append(...rest.flat(Infinity).filter(part => part));
      },
      error => {
        if (opened === now) body.append(make("p.notice", `The details cannot be shown: ${error.message}`));
      },
    )
    .finally(() => {
      if (opened === now) panel.removeAttribute("aria-busy");
    });
}

function closePanel() {
  const was = opened;
  opened = null;
  if (panel.open) panel.close();
  panel.replaceChildren();
  return was;
}

// Closing is a step as any other: the address goes back to that of the view below.
const leavePanel = () => {
  location.hash = shown;
};

panel.addEventListener("cancel", event => {
  event.preventDefault();
  leavePanel();
});
panel.addEventListener("click", event => {
  if (event.target === panel) leavePanel();
});

const badge = (found, sign) =>
  make(
    "span",
    {class: `badge v-${found.name}`},
    make("b", {"aria-hidden": "true"}, signOf(found, sign)),
    ` ${found.name}`,
  );
const verdictBadge = (check, server) => badge(verdictOf(check, server), check.verdicts[server.number]);
const title = (...children) => make("h2", {id: "panel-title", tabindex: "-1"}, children);
const section = (name, ...children) => make("section", make("h3", name), children);
const notFound = (kind, tokens) => ({
  head: [
    title("Not in this document"),
    make(
      "p",
      `The link is of a ${kind} that these results do not have: `,
      code(tokens.map(decoded).join("/")),
    ),
  ],
});

function aboutCheck(check) {
  return make(
    "dl.about",
    make("dt", "Level"),
    make("dd", make("b", check.level), `: ${levelMeans[check.level] ?? ""}`),
    make("dt", "Clause"),
    make("dd", outside(check.clause.url, `${check.clause.document}, ${check.clause.section}`)),
    check.why.text && [make("dt", "Why it matters"), make("dd", "Where it fails: ", check.why.text)],
    check.requires.length > 0 && [
      make("dt", "Requires"),
      make(
        "dd",
        check.requires.map((name, number) => [number ? ", " : "", code(name)]),
      ),
    ],
  );
}

// ---- a cell ----

function cellPanel(check, server, beside) {
  const among = shown === "#" + queryOf() && grid.columns?.includes(server) ? grid.columns : servers;
  const place = among.indexOf(server);
  const step = (target, text, label) =>
    target
      ? make("a.step", {href: target, "aria-label": label, title: label}, text)
      : make("span", {class: "step off", "aria-hidden": "true"}, text);
  const rows = grid.rows.filter(row => row.check).map(row => row.check);
  const list = rows.includes(check) ? rows : checks;
  const row = list.indexOf(check);
  const other = beside ?? (reference === server ? null : reference);
  return {
    bar: make(
      "div.steps",
      step(list[row - 1] && cellLink(list[row - 1], server), "↑", "The check before, on this server"),
      step(list[row + 1] && cellLink(list[row + 1], server), "↓", "The next check, on this server"),
      step(among[place - 1] && cellLink(check, among[place - 1]), "←", "This check, on the server before"),
      step(among[place + 1] && cellLink(check, among[place + 1]), "→", "This check, on the next server"),
    ),
    head: [
      make(
        "p.eyebrow",
        make("a", {href: checkLink(check)}, check.id),
        " on ",
        make("a", {href: serverLink(server)}, server.name),
        ` ${server.version ?? ""}`,
      ),
      title(marked(check.title)),
      make("p", verdictBadge(check, server), " ", make("span.soft", verdictOf(check, server).means)),
      followsFrom(check, server),
      aboutCheck(check),
    ],
    rest: async () => {
      const [detail, note, beside] = await Promise.all([
        detailOf(check, server),
        noteOf(check, server),
        other && detailOf(check, other),
      ]);
      if (detail === null) return [make("p.notice", "This check was not part of this server's run.")];
      return [
        detail.message && section("What was found", make("pre.message", detail.message)),
        note.expectation && expectationSection(note.expectation, verdictOf(check, server)),
        server.error &&
          verdictOf(check, server).name === "error" &&
          section("The server", make("pre.message", server.error)),
        exchangesSection(check, server, detail, other, beside),
        againSection(server, detail),
        paritySection(check, server, detail),
        detail.log !== null &&
          section(
            "The server's log around it",
            make("pre.log", {tabindex: "0", role: "region", "aria-label": "Log"}, detail.log),
          ),
        restsSection(check, server),
        make("p.soft", `Took ${detail.duration.toFixed(3)} s.`),
      ];
    },
  };
}

function followsFrom(check, server) {
  const root = verdictOf(check, server).outcome === "fail" ? rootOf(check, server) : check;
  return (
    root !== check &&
    make(
      "p.notice",
      "This failure follows from another: ",
      make("a", {href: cellLink(root, server)}, root.id),
      " fails on this server, and this check rests on it.",
    )
  );
}

function restsSection(check, server) {
  if (check.rests_on.length === 0) return null;
  return section(
    "Rests on",
    make(
      "ul.plain",
      check.rests_on.map(id => {
        const root = findCheck(encode(id));
        return make(
          "li",
          root
            ? [
                verdictBadge(root, server),
                " ",
                make("a", {href: cellLink(root, server)}, root.id),
                " ",
                marked(root.title),
              ]
            : [code(id), " (not part of the run)"],
        );
      }),
    ),
  );
}

function expectationSection(expectation, verdict) {
  const limits = [
    expectation.versions && ["Versions", expectation.versions],
    expectation.python && ["Python", expectation.python],
    expectation.crash && ["Crash", "the server goes down"],
    expectation.varies && ["Varies", expectation.varies],
  ].filter(Boolean);
  return section(
    verdict.name === "fixed" ? "Listed as a deviation, and passes" : "Listed as a deviation",
    make(
      "dl.about",
      expectation.instead && [make("dt", "Instead"), make("dd", expectation.instead)],
      make("dt", "Reason"),
      make("dd", prose(expectation.reason)),
      expectation.reference && [make("dt", "Reference"), make("dd", outside(expectation.reference))],
      limits.map(([name, value]) => [make("dt", name), make("dd", value)]),
      make("dt", "Entry"),
      make("dd", code(expectation.file)),
    ),
  );
}

function paritySection(check, server, detail) {
  if (detail.differences === null || server === reference) return null;
  const same = check.parity[server.number] === "=";
  return section(
    `Next to ${overview.reference}`,
    make(
      "p",
      same
        ? "The same, but for what means nothing to an application (dates, framing, the order of fields and the like)."
        : "What an application would see another of; − only the reference's, + only this server's:",
    ),
    !same &&
      make(
        "pre.changes",
        detail.differences.map(line =>
          make("span", {class: {"-": "minus", "+": "plus"}[line[0]] ?? ""}, `${line}\n`),
        ),
      ),
  );
}

function againSection(server, detail) {
  if (!detail.replay && !detail.curl) return null;
  const line = (name, text, more) => [
    make("dt", name),
    make("dd", make("div.command", code(text), copyButton(text)), more),
  ];
  return section(
    "Once more",
    make(
      "dl.about",
      detail.replay && line("Replay", detail.replay),
      detail.curl &&
        line(
          "curl",
          detail.curl,
          detail.curl.includes("http://127.0.0.1:8000") &&
            make("small.soft", "after ", code(`wsgi-conform serve ${server.name} --port 8000`)),
        ),
    ),
  );
}

function copyButton(text) {
  return make(
    "button",
    {
      type: "button",
      class: "quiet copy",
      onclick: async event => {
        const button = event.currentTarget;
        try {
          await navigator.clipboard.writeText(text);
          button.textContent = "copied";
        } catch {
          // Not allowed: then it is selected, for the keys that copy.
          getSelection().selectAllChildren(button.parentElement.querySelector("code"));
          button.textContent = "selected";
        }
      },
    },
    "copy",
  );
}

// ---- exchanges, side by side ----

function exchangesSection(check, server, detail, other, beside) {
  if (detail.total === 0) return null;
  const kept = detail.exchanges;
  const pairs = beside ? align(kept, beside.exchanges, askedFor) : kept.map(one => [one, null]);
  const pick =
    servers.length > 1 &&
    make(
      "label.beside",
      "beside ",
      make(
        "select",
        {
          onchange: event => {
            location.hash = cellLink(check, server, event.target.value ? {beside: event.target.value} : {});
          },
        },
        make(
          "option",
          {value: reference?.name ?? "", selected: other === reference},
          reference && reference !== server ? reference.name : "nothing",
        ),
        servers
          .filter(one => one !== server && one !== reference)
          .map(one => make("option", {value: one.name, selected: one === other}, one.name)),
      ),
    );
  return section(
    "Exchanges",
    make(
      "p.soft",
      `${plural(detail.total, "exchange")}${kept.length < detail.total ? `, of which the last ${kept.length} are kept` : ""}`,
      pick && ", ",
      pick,
    ),
    beside && beside.total === 0 && make("p.soft", `There is none of ${other.name}.`),
    pairs.map(([one, two], number) => exchangeView(number + 1, one, two, server, other)),
  );
}

// What an exchange asks for, apart from what is random in it.
const askedFor = exchange =>
  exchange.request.text
    .split("\r\n", 1)[0]
    .slice(0, 300)
    .replace(/[0-9a-f]{6,}/gi, "#");

function exchangeView(number, one, two, server, other) {
  const named = exchange => exchange && `${exchange.ended} after ${exchange.duration.toFixed(3)} s`;
  const table = make(
    "table",
    {class: `bytes${other ? "" : " alone"}`},
    other &&
      make(
        "thead",
        make(
          "tr",
          make("td"),
          make("th", {scope: "col"}, server.name),
          make("th", {scope: "col"}, other.name),
        ),
      ),
    direction("request", "sent", one, two, other),
    direction("response", "received", one, two, other),
    make(
      "tbody.ended",
      make(
        "tr",
        {class: one && two && one.ended !== two.ended ? "differs" : ""},
        make("th", {scope: "row"}, "ended"),
        make("td", named(one) ?? "no such exchange"),
        other && make("td", named(two) ?? "no such exchange"),
      ),
    ),
  );
  return make(
    "details.exchange",
    {open: true},
    make(
      "summary",
      `Exchange ${number}`,
      make("small", one ? ` on connection ${one.connection}` : " only there", pauses(one)),
    ),
    table,
  );
}

function pauses(exchange) {
  if (!exchange) return "";
  const waited = (exchange.pauses ?? []).map(
    ({sent, received}) =>
      `after ${plural(sent, "byte")} the client waited for an answer, and had ${plural(received, "byte")} of it`,
  );
  if (exchange.half_closed) waited.push("the client said that it sends no more");
  return waited.length ? `; ${waited.join("; ")}` : "";
}

function direction(name, word, one, two, other) {
  const [left, right] = [one, two].map(exchange => (exchange ? linesOf(exchange[name]) : []));
  const rows =
    other && one && two
      ? align(left, right, comparable)
      : (one ? left : right).map(line => (one ? [line, null] : [null, line]));
  const differ = other && one && two;
  const span = Math.max(1, rows.length);
  const cell = line => make("td", make("code", line === null ? "" : shownLine(line)));
  return make(
    "tbody",
    (rows.length ? rows : [["", ""]]).map(([mine, theirs], number) => {
      const marked = differ && (mine === null || theirs === null || comparable(mine) !== comparable(theirs));
      return make(
        "tr",
        {class: marked ? "differs" : ""},
        number === 0 && make("th", {scope: "rowgroup", rowspan: span}, word),
        rows.length ? cell(mine) : make("td.soft", "nothing"),
        other && (rows.length ? cell(theirs) : make("td.soft", "nothing")),
      );
    }),
  );
}

function linesOf({text, bytes}) {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  if (bytes > text.length) lines.push({more: `… and ${plural(bytes - text.length, "byte")} more`});
  return lines;
}

// A line end is shown, but does not catch the eye where it is as it should be.
function shownLine(line) {
  if (line.more) return make("i", line.more);
  const [, text, end] = /^(.*?)(\r?\n?)$/s.exec(line);
  return [visible(text), end && make("span.end", visible(end))];
}

// Two dates are no difference.
const comparable = line =>
  line === null ? null : (line.more ?? line.replace(/^(date|last-modified|expires):.*/i, "$1:"));

// Pair what is alike in two lists, and what is between in order.
function align(left, right, key) {
  const [a, b] = [left.map(key), right.map(key)];
  let first = 0;
  while (first < a.length && first < b.length && a[first] === b[first]) first += 1;
  let [endA, endB] = [a.length, b.length];
  while (endA > first && endB > first && a[endA - 1] === b[endB - 1]) [endA, endB] = [endA - 1, endB - 1];
  const pairs = left.slice(0, first).map((one, number) => [one, right[number]]);
  const [m, n] = [endA - first, endB - first];
  // The longest common sequence; of what is too long for that, by position.
  const length = m * n > 250000 ? null : Array.from({length: m + 1}, () => new Uint16Array(n + 1));
  for (let i = m - 1; length && i >= 0; i -= 1) {
    for (let j = n - 1; j >= 0; j -= 1) {
      length[i][j] =
        a[first + i] === b[first + j]
          ? length[i + 1][j + 1] + 1
          : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const [mine, theirs] = [[], []];
  const flush = () => {
    for (let k = 0; k < Math.max(mine.length, theirs.length); k += 1)
      pairs.push([mine[k] ?? null, theirs[k] ?? null]);
    mine.length = theirs.length = 0;
  };
  let [i, j] = [0, 0];
  while (i < m || j < n) {
    if (length && i < m && j < n && a[first + i] === b[first + j]) {
      flush();
      pairs.push([left[first + i], right[first + j]]);
      [i, j] = [i + 1, j + 1];
    } else if (j >= n || (i < m && (!length || length[i + 1][j] >= length[i][j + 1]))) {
      mine.push(left[first + i]);
      i += 1;
    } else {
      theirs.push(right[first + j]);
      j += 1;
    }
  }
  flush();
  return [...pairs, ...left.slice(endA).map((one, number) => [one, right[endB + number]])];
}

// ---- a check, on all servers ----

function checkPanel(check) {
  return {
    head: [
      make("p.eyebrow", code(check.id)),
      title(marked(check.title)),
      aboutCheck(check),
      check.rests_on.length > 0 &&
        make(
          "p",
          "Rests on ",
          check.rests_on.map((id, number) => {
            const root = findCheck(encode(id));
            return [number ? ", " : "", root ? make("a", {href: checkLink(root)}, id) : code(id)];
          }),
          ".",
        ),
    ],
    rest: async () => {
      const details = await Promise.all(servers.map(server => detailOf(check, server)));
      const notes = await Promise.all(servers.map(server => noteOf(check, server)));
      const groups = new Map();
      for (const server of servers) {
        const found = verdictOf(check, server);
        if (!groups.has(found)) groups.set(found, []);
        groups.get(found).push(server);
      }
      const order = ["error", "fail", "fixed", "deviation", "pass", "not-applicable", "absent"];
      const judged = [...groups].sort(([a], [b]) => order.indexOf(a.name) - order.indexOf(b.name));
      const alike = answersAlike(check);
      return [
        section(
          "Servers",
          make(
            "table.list",
            make(
              "thead",
              make(
                "tr",
                ["Verdict", "Server", "What was found"].map(name => make("th", {scope: "col"}, name)),
              ),
            ),
            make(
              "tbody",
              judged.flatMap(([, group]) =>
                group.map(server =>
                  make(
                    "tr",
                    make("td", verdictBadge(check, server)),
                    make(
                      "td",
                      make("a", {href: cellLink(check, server)}, server.name),
                      ` ${server.version ?? ""}`,
                    ),
                    make(
                      "td",
                      notes[server.number].expectation?.instead ||
                        details[server.number]?.message.split("\n", 1)[0] ||
                        "",
                    ),
                  ),
                ),
              ),
            ),
          ),
        ),
        alike.length > 1 &&
          section(
            "Who answers alike",
            make(
              "p.soft",
              `There are ${alike.length} answers, apart from what means nothing to an application.`,
            ),
            make(
              "ol",
              alike.map(group =>
                make(
                  "li",
                  group.map((server, number) => [
                    number ? ", " : "",
                    make("a", {href: cellLink(check, server)}, server.name),
                  ]),
                ),
              ),
            ),
          ),
      ];
    },
  };
}

function answersAlike(check) {
  const groups = new Map();
  for (const server of servers) {
    const sign = check.answers[server.number];
    if (sign === " ") continue;
    if (!groups.has(sign)) groups.set(sign, []);
    groups.get(sign).push(server);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}
