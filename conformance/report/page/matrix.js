// The matrix: a grid of which only the rows in sight are in the document, because a whole fleet has
// a hundred thousand cells. One of its cells can be reached with the tab key; arrow keys go on from it.

const grid = {
  rows: [], // what there is to show, in order: {area, checks} or {check}
  columns: [], // the servers shown
  row: -1, // where the focus is or goes: -1 is the heading
  column: -1, // -1 is the check's own
  drawn: new Map(),
};
const rowHeight = 26;
const spare = 6;

// Whether a row has cells of the verdicts that are asked for, in the columns shown.
function rowsOf(state, columns) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [];
  for (const [area, all] of areas) {
    if (state.area.size && !state.area.has(area)) continue;
    const found = all.filter(check => {
      if (state.level.size && !state.level.has(check.level)) return false;
      if (!words.every(word => check.text.includes(word))) return false;
      if (state.verdict.size && !columns.some(server => state.verdict.has(verdictOf(check, server).name)))
        return false;
      return state.view !== "disagree" || disagree(check, columns);
    });
    if (found.length) rows.push({area, checks: found});
  }
  return rows;
}

// Whether servers were judged differently; to one that a check does not apply to it says nothing.
function disagree(check, columns) {
  const found = columns.map(server => verdictOf(check, server)).filter(verdict => verdict.outcome);
  return found.some(verdict => verdict !== found[0]);
}

function isOpen(area, state, total) {
  if (state.open !== null) return state.open.has(area);
  return total <= 150 || Boolean(state.q) || state.verdict.size > 0 || state.view === "disagree";
}

function matrixView() {
  grid.table = make("table", {
    "role": "grid",
    "class": "grid",
    "aria-label": "Checks by servers",
    "aria-readonly": "true",
  });
  grid.scroller = make("div", {id: "scroller", tabindex: "-1"}, grid.table);
  grid.scroller.addEventListener("scroll", () => requestAnimationFrame(() => drawRows()), {
    passive: true,
  });
  grid.scroller.addEventListener("keydown", keyInGrid);
  grid.scroller.addEventListener("focusin", event => {
    const cell = event.target.closest("th, td");
    if (cell) activate(Number(cell.parentElement.dataset.row), cell.cellIndex - 1);
  });
  for (const kind of ["pointerover", "focusin"]) grid.scroller.addEventListener(kind, markCell);
  return [filterBar(), grid.scroller, legend()];
}

// Show what the state says, from its beginning.
function drawMatrix(state) {
  grid.columns = state.server.size ? servers.filter(server => state.server.has(server.name)) : servers;
  const groups = rowsOf(state, grid.columns);
  const total = groups.reduce((sum, group) => sum + group.checks.length, 0);
  grid.rows = groups.flatMap(group =>
    isOpen(group.area, state, total) ? [group, ...group.checks.map(check => ({check}))] : [group],
  );
  grid.state = state;
  grid.signs = state.view === "parity" ? samenesses : verdicts;
  grid.row = Math.min(grid.row, grid.rows.length - 1);
  grid.column = Math.min(grid.column, grid.columns.length - 1);
  grid.drawn.clear();
  drawTemplates();
  grid.body = make("tbody");
  grid.above = make("tr.space", {"aria-hidden": "true"}, make("td", {colspan: grid.columns.length + 1}));
  grid.below = grid.above.cloneNode(true);
  grid.body.append(grid.above, grid.below);
  // All of the height, so that what there is room for can be measured before rows are drawn.
  grid.below.firstChild.style.height = `${grid.rows.length * rowHeight}px`;
  grid.table.replaceChildren(
    make(
      "colgroup",
      make("col.first"),
      grid.columns.map(() => make("col")),
    ),
    gridHead(groups),
    grid.body,
  );
  grid.table.classList.toggle("few", grid.columns.length <= 6);
  grid.table.classList.toggle("many", grid.columns.length > 24);
  grid.table.setAttribute("aria-rowcount", grid.rows.length + 1);
  grid.table.setAttribute("aria-colcount", grid.columns.length + 1);
  document.getElementById("shown").textContent =
    total === checks.length && grid.columns.length === servers.length
      ? `${plural(total, "check")} on ${plural(servers.length, "server")}`
      : `${total.toLocaleString("en")} of ${plural(checks.length, "check")}, ` +
        `${grid.columns.length} of ${plural(servers.length, "server")}`;
  drawLegend(state.view);
  fit();
  drawRows();
}

// What the columns leave of the width is for the checks' titles.
function fit() {
  if (!grid.scroller?.isConnected) return;
  const others = grid.columns.length * (grid.table.tHead.rows[0].cells[1]?.offsetWidth ?? 0);
  grid.table.style.setProperty("--columns", grid.columns.length);
  grid.table.style.setProperty("--spare", `${main.clientWidth - others - 60}px`);
  grid.head = grid.table.tHead.offsetHeight;
  grid.scroller.style.scrollPaddingTop = `${grid.head}px`;
  grid.scroller.style.scrollPaddingLeft = `${grid.table.tHead.rows[0].cells[0].offsetWidth}px`;
}

// Which column one is in is seen at its heading; what its sign means, in a tip.
function markCell(event) {
  const cell = event.target.closest("th, td");
  grid.table.querySelector("th.here")?.classList.remove("here");
  if (cell === null || cell.cellIndex < 1) return;
  grid.table.tHead.rows[0].cells[cell.cellIndex].classList.add("here");
  const {check, area} = grid.rows[Number(cell.parentElement.dataset.row)] ?? {};
  const label = (cell.firstElementChild ?? cell).getAttribute("aria-label");
  if (check || area) cell.title = check ? `${label}\n${check.id}` : label;
}

function gridHead(groups) {
  const all = groups.length > 0 && groups.every(group => grid.rows.includes(group) && isOpenRow(group));
  const toggle =
    groups.length === 0
      ? "No check is as the filters ask."
      : make(
          "button",
          {
            "type": "button",
            "class": "quiet",
            "data-open": all ? "none" : "all",
            "tabindex": "-1",
          },
          all ? "Close all areas" : "Open all areas",
        );
  return make(
    "thead",
    make(
      "tr",
      {"aria-rowindex": 1, "data-row": -1},
      make("th.corner", {scope: "col"}, toggle),
      grid.columns.map(server =>
        make(
          "th",
          {scope: "col"},
          make(
            "a",
            {
              href: serverLink(server),
              tabindex: "-1",
              title: `${server.name} ${server.version ?? ""}`,
            },
            make("span", server.name),
          ),
        ),
      ),
    ),
  );
}

const isOpenRow = group => grid.rows[grid.rows.indexOf(group) + 1]?.check !== undefined;

// Put the rows in sight into the document, and take the others out; those that stay are not touched,
// so that a focus in one of them stays.
function drawRows(all = false) {
  if (!grid.scroller?.isConnected) return;
  const first = all ? 0 : Math.max(0, Math.floor(grid.scroller.scrollTop / rowHeight) - spare);
  const shown = Math.ceil((grid.scroller.clientHeight || innerHeight) / rowHeight) + 2 * spare;
  const last = all ? grid.rows.length : Math.min(grid.rows.length, first + shown);
  for (const [number, row] of grid.drawn) {
    if (number >= first && number < last) continue;
    // The keys go on from a cell that was scrolled out of sight.
    if (row.contains(document.activeElement)) grid.scroller.focus({preventScroll: true});
    row.remove();
    grid.drawn.delete(number);
  }
  let after = grid.above;
  for (let number = first; number < last; number += 1) {
    let row = grid.drawn.get(number);
    if (row === undefined) {
      row = drawRow(number);
      grid.drawn.set(number, row);
      after.after(row);
    }
    after = row;
  }
  grid.above.firstChild.style.height = `${first * rowHeight}px`;
  grid.below.firstChild.style.height = `${(grid.rows.length - last) * rowHeight}px`;
  activate(grid.row, grid.column);
}

function drawRow(number) {
  const {area, checks: among, check} = grid.rows[number];
  const row = (area ? grid.areaRow : grid.checkRow).cloneNode(true);
  const [head, ...cells] = row.cells;
  row.setAttribute("aria-rowindex", number + 2);
  row.dataset.row = number;
  if (area) {
    head.append(
      make(
        "button",
        {
          "type": "button",
          "tabindex": "-1",
          "aria-expanded": String(isOpenRow(grid.rows[number])),
          "data-area": area,
        },
        area,
        make("small", ` ${among.length}`),
      ),
    );
    cells.forEach((cell, column) => fillArea(cell, area, among, grid.columns[column]));
  } else {
    head.append(
      make(
        "a",
        {
          href: checkLink(check),
          tabindex: "-1",
          title: `${check.id}\n${check.level}: ${check.title}`,
        },
        check.id,
        make("small", " ", marked(check.title)),
      ),
    );
    const token = encode(check.id) + grid.query;
    cells.forEach((cell, column) => fillCheck(cell, check, column, token));
  }
  return row;
}

// The rows that are copied for each: what is the same in all of them is made once.
function drawTemplates() {
  const filled = child =>
    make(
      "tr",
      make("th", {scope: "row"}),
      grid.columns.map(() => make("td", child?.cloneNode())),
    );
  grid.checkRow = filled(make("a", {tabindex: "-1"}));
  grid.areaRow = filled();
  grid.areaRow.className = "area";
  grid.query = queryOf();
  grid.links = grid.columns.map(server => `#cell/${serverToken(server)}/`);
  grid.labels = grid.columns.map(
    server =>
      new Map([...grid.signs].map(([sign, found]) => [sign, printable(`${server.name}: ${found.name}`)])),
  );
}

function fillCheck(cell, check, column, token) {
  const {number} = grid.columns[column];
  const sign = (grid.state.view === "parity" ? check.parity : check.verdicts)[number];
  const found = grid.signs.get(sign);
  const link = cell.firstChild;
  cell.className = `v-${found.name}`;
  if (grid.state.verdict.size && !grid.state.verdict.has(verdictOf(check, grid.columns[column]).name))
    cell.classList.add("faded");
  link.setAttribute("aria-label", grid.labels[column].get(sign));
  link.textContent = signOf(found, sign);
  if (check.verdicts[number] !== " ") link.setAttribute("href", grid.links[column] + token);
}

// How many of an area's checks pass, or are the same; below it, as a bar, what the others are.
function fillArea(cell, area, among, server) {
  const parity = grid.state.view === "parity";
  const counts = {};
  for (const check of among) {
    const found = grid.signs.get((parity ? check.parity : check.verdicts)[server.number]);
    counts[found.name] = (counts[found.name] ?? 0) + 1;
  }
  const names = parity
    ? ["same", "conforms", "differs"]
    : ["pass", "fixed", "deviation", "fail", "error", "not-applicable"];
  const words = counted(counts, names) || "nothing";
  const worst =
    ["error", "fail", "fixed", "differs", "deviation", "conforms", "pass", "same"].find(
      name => counts[name],
    ) ?? "absent";
  cell.className = `w-${worst}`;
  cell.tabIndex = -1;
  cell.dataset.area = area;
  cell.setAttribute("aria-label", printable(`${server.name}, ${area}: ${words}`));
  cell.textContent = worst === "absent" && !counts["not-applicable"] ? "" : (counts[names[0]] ?? 0);
  const total = names.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  const stops = [];
  let from = 0;
  for (const name of names) {
    const to = from + (100 * (counts[name] ?? 0)) / total;
    if (to > from) stops.push(`var(--bar-${name}) ${from.toFixed(1)}% ${to.toFixed(1)}%`);
    from = to;
  }
  if (stops.length) cell.style.setProperty("--bar", `linear-gradient(to right, ${stops.join(", ")})`);
  // Half of the colour is there from a quarter of failures on: it is the few that one looks for.
  const [good, bad] = parity
    ? [counts.same ?? 0, (counts.conforms ?? 0) + (counts.differs ?? 0)]
    : [(counts.pass ?? 0) + (counts.fixed ?? 0), (counts.deviation ?? 0) + (counts.fail ?? 0)];
  if (good + bad) cell.style.setProperty("--bad", `${(100 * Math.sqrt(bad / (good + bad))).toFixed(0)}%`);
}

// What takes the focus in a cell of the grid.
function focusable(row, column) {
  const line = row < 0 ? grid.table.tHead?.rows[0] : grid.drawn.get(row);
  const cell = line?.cells[column + 1];
  return cell && (cell.querySelector("a, button") ?? (cell.hasAttribute("tabindex") ? cell : null));
}

function activate(row, column) {
  const before = grid.table.querySelector('[tabindex="0"]');
  if (before) before.tabIndex = -1;
  grid.row = row;
  grid.column = column;
  // If its row is not drawn, the tab key comes to one that is.
  const now = focusable(row, column) ?? focusable(-1, -1) ?? focusable(-1, 0);
  if (now) now.tabIndex = 0;
}

function focusCell(row, column) {
  activate(
    Math.max(-1, Math.min(row, grid.rows.length - 1)),
    Math.max(-1, Math.min(column, grid.columns.length - 1)),
  );
  if (grid.row >= 0) {
    const top = grid.row * rowHeight;
    const lowest = top + rowHeight + grid.head - grid.scroller.clientHeight;
    if (grid.scroller.scrollTop > top) grid.scroller.scrollTop = top;
    else if (grid.scroller.scrollTop < lowest) grid.scroller.scrollTop = lowest;
    drawRows();
  }
  focusable(grid.row, grid.column)?.focus();
}

// To the cell that a link was of, where the filters show it; its area may have to be opened.
function focusOn(check, server) {
  const rowOf = () => grid.rows.findIndex(row => row.check === check);
  if (rowOf() < 0 && grid.rows.some(row => row.checks?.includes(check))) toggleArea(check.area);
  if (rowOf() < 0) focusCell(grid.row, grid.column);
  else focusCell(rowOf(), grid.columns.indexOf(server));
}

function toggleArea(area) {
  const open = new Set(grid.rows.filter(row => row.area && isOpenRow(row)).map(row => row.area));
  if (!open.delete(area)) open.add(area);
  state.open = open;
  changed(false);
}

function keyInGrid(event) {
  if (event.altKey || event.metaKey) return;
  const page = Math.max(1, Math.floor((grid.scroller.clientHeight - grid.head) / rowHeight) - 1);
  const end = grid.rows.length - 1;
  const places = {
    ArrowUp: [grid.row - 1, grid.column],
    ArrowDown: [grid.row + 1, grid.column],
    ArrowLeft: [grid.row, grid.column - 1],
    ArrowRight: [grid.row, grid.column + 1],
    PageUp: [Math.max(0, grid.row - page), grid.column],
    PageDown: [grid.row + page, grid.column],
    Home: event.ctrlKey ? [0, -1] : [grid.row, -1],
    End: event.ctrlKey ? [end, grid.columns.length - 1] : [grid.row, grid.columns.length - 1],
  };
  if (event.key in places) {
    event.preventDefault();
    focusCell(...places[event.key]);
  } else if ((event.key === "Enter" || event.key === " ") && event.target.matches("td[data-area]")) {
    event.preventDefault();
    event.target.click();
  }
}

function legend() {
  const keys = [
    ["arrows, Home, End, Page Up, Page Down", "go from cell to cell"],
    ["Enter", "opens a cell, a check or a server, and an area"],
    ["Escape", "closes what was opened"],
    ["/", "searches"],
  ];
  return make(
    "footer",
    {id: "legend"},
    make("ul.legend", {id: "signs"}),
    make(
      "details",
      make("summary", "Keys"),
      make(
        "dl.keys",
        keys.map(([key, does]) => [make("dt", make("kbd", key)), make("dd", does)]),
      ),
    ),
  );
}

function drawLegend(view) {
  const entry = (found, sign) =>
    make(
      "li",
      {title: found.means},
      make("b", {"class": `v-${found.name}`, "aria-hidden": "true"}, sign),
      ` ${found.name}`,
      found.name !== "pass" && make("small", `: ${found.means}`),
    );
  document
    .getElementById("signs")
    .replaceChildren(
      ...(view === "parity"
        ? ["=", "~", "!"].map(sign => entry(samenesses.get(sign), sign))
        : Object.values(overview.signs).map(sign => entry(verdicts.get(sign), sign))),
    );
}
