// What is opened above a view: a cell (one check on one server, with all that is known of it), or a
// check (on all servers).

const panel = document.getElementById("panel");
let opened = null;

// Open the panel, or show something else in it: `partsOf` returns what it begins with, and how to get
// the rest, which takes a moment.
function openPanel(what, partsOf) {
  opened = what ?? {};
  const now = opened;
  const parts = partsOf();
  panel.replaceChildren(
    make(
      "div.panel-bar",
      parts.bar ?? null,
      make(
        "button.quiet",
        {"type": "button", "id": "close", "aria-label": "Close", "onclick": leavePanel},
        "✕",
      ),
    ),
    make("div.panel-body", {tabindex: "-1"}, parts.head),
  );
  if (!panel.open) panel.showModal();
  nameDocument();
  panel.scrollTop = 0;
  panel.querySelector("#panel-title")?.focus({preventScroll: true});
  const body = panel.querySelector(".panel-body");
  panel.setAttribute("aria-busy", "true");
  Promise.resolve(parts.rest?.())
    .then(
      rest => {
        if (opened === now && rest) body.append(...present(rest));
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
  nameDocument();
  return was;
}

// Closing is a step as any other: the address goes back to that of the view below.
const leavePanel = () => {
  location.hash = shown;
};

// By the Escape key the browser closes it, which not everywhere can be prevented.
panel.addEventListener("close", () => {
  if (opened && !panel.open) leavePanel();
});
panel.addEventListener("click", event => {
  if (event.target === panel) leavePanel();
});

const title = (...children) => make("h2", {id: "panel-title", tabindex: "-1"}, children);
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

const aboutCheck = check =>
  terms("about", [
    ["Level", [make("b", check.level), `: ${levelMeans[check.level] ?? ""}`]],
    ["Clause", outside(check.clause.url, `${check.clause.document}, ${check.clause.section}`)],
    ["Why it matters", check.why.text && `Where it fails: ${check.why.text}`],
    ["Requires", joined(check.requires, code)],
  ]);

// ---- a cell ----

function cellPanel(check, server, chosen) {
  const verdict = verdictOf(check, server);
  const other = chosen ?? (reference === server ? null : reference);
  return {
    bar: steps(check, server),
    head: [
      make(
        "p.eyebrow",
        link(checkLink(check), check.id),
        " on ",
        serverAnchor(server),
        ` ${server.version ?? ""}`,
      ),
      title(marked(check.title)),
      make("p", verdictBadge(check, server), " ", make("span.soft", verdict.means)),
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
        detail.message && section("What was found", message(detail.message)),
        note.expectation && expectationSection(note.expectation, verdict),
        server.error && verdict.name === "error" && section("The server", message(server.error)),
        detail.total > 0 && exchangesSection(check, server, detail, other, beside),
        againSection(server, detail),
        detail.differences !== null && server !== reference && paritySection(check, server, detail),
        detail.log !== null &&
          section(
            "The server's log around it",
            make("pre.log", {"tabindex": "0", "role": "region", "aria-label": "Log"}, detail.log),
          ),
        check.rests_on.length > 0 && restsSection(check, server),
        make("p.soft", `Took ${detail.duration.toFixed(3)} s.`),
      ];
    },
  };
}

// To the cells around it, as the matrix has them.
function steps(check, server) {
  const shownChecks = grid.rows.filter(row => row.check).map(row => row.check);
  const list = shownChecks.includes(check) ? shownChecks : checks;
  const among = grid.columns.includes(server) ? grid.columns : servers;
  const [row, column] = [list.indexOf(check), among.indexOf(server)];
  const step = (text, label, toCheck, toServer) =>
    toCheck && toServer
      ? make("a.step", {"href": cellLink(toCheck, toServer), "aria-label": label, "title": label}, text)
      : make("span.step.off", {"aria-hidden": "true"}, text);
  return make(
    "div.steps",
    step("↑", "The check before, on this server", list[row - 1], server),
    step("↓", "The next check, on this server", list[row + 1], server),
    step("←", "This check, on the server before", check, among[column - 1]),
    step("→", "This check, on the next server", check, among[column + 1]),
  );
}

function followsFrom(check, server) {
  const root = verdictOf(check, server).outcome === "fail" ? rootOf(check, server) : check;
  if (root === check) return null;
  const follows = "This failure follows from another: ";
  return make(
    "p.notice",
    follows,
    checkAnchor(root, server),
    " fails on this server, and this check rests on it.",
  );
}

const restsSection = (check, server) =>
  section(
    "Rests on",
    make(
      "ul.plain",
      check.rests_on.map(id => {
        const root = findCheck(encode(id));
        if (root === null) return make("li", code(id), " (not part of the run)");
        return make(
          "li",
          verdictBadge(root, server),
          " ",
          checkAnchor(root, server),
          " ",
          marked(root.title),
        );
      }),
    ),
  );

const expectationSection = (expectation, verdict) =>
  section(
    verdict.name === "fixed" ? "Listed as a deviation, and passes" : "Listed as a deviation",
    terms("about", [
      ["Instead", expectation.instead],
      ["Reason", prose(expectation.reason)],
      ["Reference", expectation.reference && outside(expectation.reference)],
      ["Versions", expectation.versions],
      ["Python", expectation.python],
      ["Crash", expectation.crash && "the server goes down"],
      ["Varies", expectation.varies],
      ["Entry", code(expectation.file)],
    ]),
  );

function paritySection(check, server, detail) {
  const name = `Next to ${overview.reference}`;
  if (check.parity[server.number] === "=") {
    const alike =
      "The same, but for what means nothing to an application: dates, framing, the order of fields.";
    return section(name, make("p", alike));
  }
  const styles = {"-": "minus", "+": "plus"};
  return section(
    name,
    make("p", "What an application would see another of: - only the reference's, + only this server's."),
    make(
      "pre.changes",
      detail.differences.map(line => make(`span.${styles[line[0]] ?? ""}`, `${line}\n`)),
    ),
  );
}

function againSection(server, detail) {
  if (!detail.replay && !detail.curl) return null;
  const command = text => make("div.command", code(text), copyButton(text));
  const started = `wsgi-conform serve ${server.name} --port 8000`;
  return section(
    "Once more",
    terms("about", [
      ["Replay", detail.replay && command(detail.replay)],
      ["curl", detail.curl && command(detail.curl)],
      ["", detail.curl?.includes("http://127.0.0.1:8000") && make("small.soft", "after ", code(started))],
    ]),
  );
}

function copyButton(text) {
  const copy = async event => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      // Not allowed: then it is selected, for the keys that copy.
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "selected";
    }
  };
  return make("button.quiet.copy", {type: "button", onclick: copy}, "copy");
}

// ---- exchanges, side by side ----

function exchangesSection(check, server, detail, other, beside) {
  const kept = detail.exchanges;
  const pairs = beside ? align(kept, beside.exchanges, askedFor) : kept.map(one => [one, null]);
  const only = kept.length < detail.total && `, of which the last ${kept.length} are kept`;
  return section(
    "Exchanges",
    make(
      "p.soft",
      plural(detail.total, "exchange"),
      only,
      servers.length > 1 && besideWhich(check, server, other),
    ),
    beside?.total === 0 && make("p.soft", `There is none of ${other.name}.`),
    pairs.map(([one, two], number) => exchangeView(number + 1, one, two, server, other)),
  );
}

function besideWhich(check, server, other) {
  const choose = event => {
    const chosen = servers[event.target.value];
    location.hash = cellLink(check, server, chosen ? {beside: chosen.name} : {});
  };
  const option = one => make("option", {value: one.number, selected: one === other}, one.name);
  return make(
    "label.beside",
    ", beside ",
    make(
      "select",
      {onchange: choose},
      !reference || reference === server ? make("option", {value: ""}, "nothing") : option(reference),
      servers.filter(one => one !== server && one !== reference).map(option),
    ),
  );
}

// What an exchange asks for, apart from what is random in it.
const askedFor = exchange =>
  exchange.request.text
    .split("\r\n", 1)[0]
    .slice(0, 300)
    .replace(/[0-9a-f]{6,}/gi, "#");

function exchangeView(number, one, two, server, other) {
  const ended = exchange =>
    exchange ? `${exchange.ended} after ${exchange.duration.toFixed(3)} s` : "no such exchange";
  const about = one ? ` on connection ${one.connection}${pauses(one)}` : ` only of ${other.name}`;
  return make(
    "details.exchange",
    {open: true},
    make("summary", `Exchange ${number}`, make("small", about)),
    make(
      "table.bytes",
      other &&
        make(
          "thead",
          make(
            "tr",
            make("td"),
            [server, other].map(({name}) => make("th", {scope: "col"}, name)),
          ),
        ),
      direction("request", "sent", one, two, other),
      direction("response", "received", one, two, other),
      make(
        "tbody.ended",
        make(
          `tr.${one && two && one.ended !== two.ended ? "differs" : ""}`,
          heading("ended"),
          make("td", ended(one)),
          other && make("td", ended(two)),
        ),
      ),
    ),
  );
}

function pauses(exchange) {
  const waited = (exchange.pauses ?? []).map(
    ({sent, received}) =>
      `; after ${plural(sent, "byte")} the client waited, and had ${plural(received, "byte")}`,
  );
  return waited.join("") + (exchange.half_closed ? "; the client said that it sends no more" : "");
}

function direction(name, word, one, two, other) {
  const [left, right] = [one, two].map(exchange => (exchange ? linesOf(exchange[name]) : []));
  const both = one && two;
  const rows = both
    ? align(left, right, comparable)
    : [...left.map(line => [line, null]), ...right.map(line => [null, line])];
  const cell = line => make("td", make("code", line !== null && shownLine(line)));
  const differs = ([mine, theirs]) =>
    both && (mine === null || theirs === null || comparable(mine) !== comparable(theirs));
  const first = make("th", {scope: "rowgroup", rowspan: Math.max(1, rows.length)}, word);
  if (rows.length === 0) {
    return make("tbody", make("tr", first, make("td.soft", "nothing"), other && make("td.soft", "nothing")));
  }
  return make(
    "tbody",
    rows.map((row, number) =>
      make(`tr.${differs(row) ? "differs" : ""}`, number === 0 && first, cell(row[0]), other && cell(row[1])),
    ),
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
const comparable = line => line.more ?? line.replace(/^(date|last-modified|expires):.*/i, "$1:");

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
          joined(check.rests_on, id => (findCheck(encode(id)) ? link(checkLink({id}), id) : code(id))),
          ".",
        ),
    ],
    rest: async () => {
      const found = await Promise.all(
        servers.map(async server => ({
          server,
          note: await noteOf(check, server),
          detail: await detailOf(check, server),
        })),
      );
      const order = ["error", "fail", "fixed", "deviation", "pass", "not-applicable", "absent"];
      const rank = ({server}) => order.indexOf(verdictOf(check, server).name);
      found.sort((a, b) => rank(a) - rank(b));
      const alike = grouped(servers, server => check.answers[server.number]);
      alike.delete(" ");
      const answers = [...alike.values()].sort((a, b) => b.length - a.length);
      return [
        section(
          "Servers",
          table(
            "Servers",
            "",
            ["Verdict", "Server", "What was found"],
            found.map(({server, note, detail}) =>
              make(
                "tr",
                make("td", verdictBadge(check, server)),
                make("td", link(cellLink(check, server), server.name), ` ${server.version ?? ""}`),
                make("td", note.expectation?.instead || detail?.message.split("\n", 1)[0]),
              ),
            ),
          ),
        ),
        answers.length > 1 &&
          section(
            "Who answers alike",
            make(
              "p.soft",
              `There are ${answers.length} answers, apart from what means nothing to an application.`,
            ),
            make(
              "ol",
              answers.map(group =>
                make(
                  "li",
                  joined(group, server => link(cellLink(check, server), server.name)),
                ),
              ),
            ),
          ),
      ];
    },
  };
}
