// The page as a whole: where one is (the fragment of the address says it), the filters, and what is
// shown of both.

const filters = ["area", "level", "verdict", "server"];
const matrixViews = new Map([
  ["conforms", "Conforms"],
  ["parity", "Same as the reference"],
  ["disagree", "Servers disagree"],
]);
const state = {
  view: "conforms",
  area: new Set(),
  level: new Set(),
  verdict: new Set(),
  server: new Set(),
  q: "",
  open: null,
};
let shown = null; // the link of the view that the page shows, apart from the panel

// The filters as the last part of a link; empty where all is as it is at first.
function queryOf(others = {}) {
  const query = new URLSearchParams();
  if (state.view !== "conforms") query.set("view", state.view);
  for (const name of filters) for (const value of state[name]) query.append(name, value);
  if (state.q) query.set("q", state.q);
  if (state.open !== null) query.set("open", [...state.open].join(" "));
  for (const [name, value] of Object.entries(others)) query.set(name, value);
  const text = query.toString();
  return text && `?${text}`;
}

function readQuery(query) {
  state.view = matrixViews.has(query.get("view")) ? query.get("view") : "conforms";
  for (const name of filters) state[name] = new Set(query.getAll(name));
  state.q = query.get("q") ?? "";
  state.open = query.has("open") ? new Set(query.get("open").split(" ").filter(Boolean)) : null;
}

// What the address asks for. Links to cells and checks open the panel above the view that is there.
function route() {
  const [path, query = ""] = location.hash.slice(1).split(/\?(.*)/s);
  const [kind, ...tokens] = path.split("/");
  const parameters = new URLSearchParams(query);
  if (kind === "cell" || kind === "check") {
    const server = kind === "cell" ? findServer(tokens[0]) : null;
    const check = findCheck(tokens.slice(kind === "cell" ? 1 : 0).join("/"));
    if (shown === null || document.body.classList.contains("matrix")) {
      readQuery(parameters);
      if (shown !== "#" + queryOf()) showView("", [], "#" + queryOf());
    }
    if (check === null || (kind === "cell" && server === null)) {
      openPanel(null, () => notFound(kind, tokens));
    } else if (kind === "cell") {
      openPanel({check, server}, () => cellPanel(check, server, findServer(parameters.get("beside") ?? "")));
    } else {
      openPanel({check}, () => checkPanel(check));
    }
    return;
  }
  const isMatrix = !Object.hasOwn(views, kind);
  if (isMatrix) readQuery(parameters);
  const link = isMatrix ? "#" + queryOf() : location.hash;
  const opened = closePanel();
  if (shown !== link) showView(kind, tokens, link);
  else if (isMatrix && opened?.check) focusOn(opened.check, opened.server);
}

const views = {
  servers: rankingView,
  support: supportView,
  compare: compareView,
  changes: changesView,
  server: serverView,
};

function showView(kind, tokens, link) {
  const isMatrix = !Object.hasOwn(views, kind);
  // Who comes from another view starts at the beginning of this one.
  const arrives = shown !== null && !(isMatrix && document.body.classList.contains("matrix"));
  document.body.classList.toggle("matrix", isMatrix);
  if (!isMatrix) {
    main.replaceChildren(...present(views[kind](...tokens)));
    scrollTo(0, 0);
  } else {
    if (!grid.scroller?.isConnected) main.replaceChildren(runFacts(), ...matrixView());
    drawFilters();
    drawMatrix(state);
  }
  if (arrives) main.focus({preventScroll: true});
  shown = link;
  drawNavigation(isMatrix ? "" : kind);
  nameDocument();
}

// What a tab, a bookmark and the history call it: by the panel, if it is open, or by the view.
function nameDocument() {
  const {check, server} = opened ?? {};
  const name = check
    ? [check.id, server?.name].filter(Boolean).join(" on ")
    : main.querySelector("h2")?.textContent;
  document.title = name ? `${printable(name)} · wsgi-conform` : "wsgi-conform";
}

function drawNavigation(kind) {
  const links = [
    ["", "Matrix"],
    ["servers", "Servers"],
    ["support", "Support"],
    ["compare", "Compare"],
    ["changes", "Changes"],
  ];
  document.getElementById("nav").replaceChildren(
    ...links
      .filter(
        ([name]) =>
          (name !== "changes" || base) &&
          (name !== "support" || overview.support.length) &&
          (name !== "compare" || servers.length > 1),
      )
      .map(([name, text]) =>
        make(
          "a",
          {
            "href": name ? `#${name}` : "#" + queryOf(),
            "aria-current": kind === name || (kind === "server" && name === "servers") ? "page" : null,
          },
          text,
        ),
      ),
  );
}

// ---- the run ----

function runFacts() {
  const totals = {};
  for (const server of servers) {
    for (const [name, number] of Object.entries(countVerdicts(server)))
      totals[name] = (totals[name] ?? 0) + number;
  }
  const statuses = {
    0: "as expected",
    1: "something is not as expected",
    2: "no check was selected",
    3: "there were errors",
    130: "interrupted",
  };
  const facts = [
    ["Started", moment(run.started)],
    ["Took", duration(run.duration_s)],
    ["Backend", run.backend],
    ["Framework", run.framework],
    ["Harness", `Python ${run.python}, ${run.host}`],
    ["Exit status", `${run.exit_status}: ${statuses[run.exit_status] ?? "unknown"}`],
  ];
  const broken = servers.filter(server => server.error);
  return make(
    "section",
    {"id": "run", "aria-label": "The run"},
    terms("facts.line", facts),
    make(
      "ul.totals",
      {"aria-label": "Verdicts"},
      verdictNames
        .filter(name => totals[name])
        .map(name =>
          make(
            "li",
            make(
              `button.total.v-${name}`,
              {"type": "button", "data-verdict": name, "title": `Show the checks with the verdict ${name}`},
              make("b", totals[name].toLocaleString("en")),
              ` ${name}`,
            ),
          ),
        ),
    ),
    run.incomplete && make("p.notice", "The run was cut short: these are the results so far."),
    servers.length === 0 && make("p.notice", "There is no server in this run."),
    broken.length > 0 &&
      make(
        "p.notice",
        `${plural(broken.length, "server")} did not start or broke off: `,
        joined(broken, serverAnchor),
      ),
  );
}

function moment(text) {
  const time = new Date(text);
  const shown = Number.isNaN(time.valueOf())
    ? text
    : time.toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"});
  return make("time", {datetime: text, title: text}, shown);
}

function duration(seconds) {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

// ---- filters ----

function filterBar() {
  const choices = {
    area: [...areas.keys()],
    level: levels.filter(level => checks.some(check => check.level === level)),
    verdict: verdictNames,
    server: servers.map(server => server.name),
  };
  return make(
    "form",
    {
      "id": "filters",
      "role": "search",
      "aria-label": "Filter the matrix",
      "onsubmit": event => event.preventDefault(),
    },
    make(
      "fieldset.segments",
      make("legend.hidden", "View"),
      [...matrixViews]
        .filter(([name]) => name !== "parity" || isCompared)
        .map(([name, text]) =>
          make("label", make("input", {type: "radio", name: "view", value: name}), make("span", text)),
        ),
    ),
    make("input", {
      "type": "search",
      "name": "q",
      "id": "search",
      "placeholder": "Search   /",
      "aria-label": "Search in ids, titles, clauses and consequences",
      "autocomplete": "off",
      "spellcheck": "false",
    }),
    filters.map(name =>
      make(
        "details.choice",
        {"data-filter": name},
        make("summary", make("span", name[0].toUpperCase() + name.slice(1)), make("span.count")),
        make(
          "fieldset",
          make("legend.hidden", name),
          choices[name].map(value =>
            make(
              "label",
              make("input", {type: "checkbox", name, value}),
              " ",
              value,
              name === "level" && make("small", ` ${levelMeans[value]}`),
            ),
          ),
        ),
      ),
    ),
    make("button.quiet", {type: "button", id: "reset"}, "Reset"),
    make("p", {id: "shown", role: "status"}),
  );
}

// The form as the state has it.
function drawFilters() {
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  if (search.value.trim() !== state.q) search.value = state.q;
  for (const input of form.querySelectorAll("input[type=checkbox]"))
    input.checked = state[input.name].has(input.value);
  for (const input of form.querySelectorAll("input[type=radio]")) input.checked = input.value === state.view;
  for (const choice of form.querySelectorAll("details")) {
    const number = state[choice.dataset.filter].size;
    choice.querySelector(".count").textContent = number ? String(number) : "";
    choice.classList.toggle("set", number > 0);
  }
  document.getElementById("reset").hidden = !queryOf();
  for (const button of document.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", String(state.verdict.has(button.dataset.verdict)));
  }
}

// The state was changed: the address says so, and Back goes to what was before, where it was a step.
function changed(step = true) {
  const link = "#" + queryOf();
  if (step) history.pushState(null, "", link);
  else history.replaceState(null, "", link);
  showView("", [], link);
}

main.addEventListener("input", event => {
  const {name, value, type, checked} = event.target;
  if (name === "q") {
    state.q = value.trim();
    changed(false);
  } else if (type === "radio" && name === "view") {
    state.view = value;
    changed();
  } else if (type === "checkbox" && filters.includes(name)) {
    if (checked) state[name].add(value);
    else state[name].delete(value);
    changed();
  }
});

main.addEventListener("click", event => {
  const target = event.target.closest("[data-area], [data-open], [data-verdict], #reset");
  if (target === null) return;
  if (target.id === "reset") {
    readQuery(new URLSearchParams());
    changed();
    document.getElementById("search").focus();
  } else if (target.dataset.verdict) {
    if (!state.verdict.delete(target.dataset.verdict)) state.verdict.add(target.dataset.verdict);
    changed();
  } else if (target.dataset.open) {
    state.open = new Set(target.dataset.open === "all" ? areas.keys() : []);
    changed();
    focusCell(-1, -1);
  } else {
    const {area} = target.dataset;
    const {column} = grid;
    toggleArea(area);
    focusCell(
      grid.rows.findIndex(row => row.area === area),
      column,
    );
  }
});

// ---- keys, theme, print ----

document.addEventListener("keydown", event => {
  const writes = event.target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  if (event.key === "/" && !writes && !event.ctrlKey && !event.metaKey && !panel.open) {
    event.preventDefault();
    if (!document.getElementById("search")) location.hash = queryOf();
    // A change of the address is told later; the view is wanted now.
    route();
    document.getElementById("search").focus();
  } else if (event.key === "Escape" && !panel.open) {
    const choice = event.target.closest("details.choice[open]");
    if (choice) {
      choice.open = false;
      choice.querySelector("summary").focus();
    } else if (event.target.id === "search" && grid.rows.length) {
      focusCell(Math.max(0, grid.row), grid.column);
    }
  }
});

// A list of choices is closed when one goes on elsewhere.
for (const kind of ["pointerdown", "focusin"]) {
  document.addEventListener(kind, event => {
    for (const choice of document.querySelectorAll("details.choice[open]")) {
      if (!choice.contains(event.target)) choice.open = false;
    }
  });
}

const themes = {auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark"};

function useTheme(name) {
  const theme = Object.hasOwn(themes, name ?? "") ? name : "auto";
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = themes[theme];
}

// A page that is opened from a file may not be allowed to keep anything.
function remembered(value) {
  try {
    if (value !== undefined) localStorage.setItem("wsgi-conform-theme", value);
    return localStorage.getItem("wsgi-conform-theme");
  } catch {
    return value ?? null;
  }
}

document.getElementById("theme").addEventListener("click", () => {
  const names = Object.keys(themes);
  const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  useTheme(next);
  remembered(next);
});

// What is above the page cannot be printed over several pages; the panel is put into it meanwhile.
for (const [kind, printed] of [
  ["beforeprint", true],
  ["afterprint", false],
]) {
  addEventListener(kind, () => {
    drawRows(printed);
    if (!panel.open) return;
    panel.close();
    if (printed) panel.show();
    else panel.showModal();
  });
}
addEventListener("resize", () => {
  fit();
  drawRows();
});
addEventListener("hashchange", route);

useTheme(remembered());
route();
