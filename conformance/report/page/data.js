// What the page knows: the overview at once, details when they are asked for. And how text gets
// into the page: as text, always, with what would not show made visible.

const overview = JSON.parse(document.getElementById("overview").textContent);
const {run, servers, checks, base} = overview;
const main = document.getElementById("main");

// By sign: what a verdict is called, what it says of the server ("pass", "fail", or neither), and
// what it means. The signs are those of the report on the terminal.
const verdicts = new Map([
  [overview.signs["pass"], {name: "pass", outcome: "pass", means: "passes"}],
  [
    overview.signs["deviation"],
    {name: "deviation", outcome: "fail", means: "fails as listed, with a reason"},
  ],
  [overview.signs["fail"], {name: "fail", outcome: "fail", means: "fails, and is not listed"}],
  [overview.signs["fixed"], {name: "fixed", outcome: "pass", means: "is listed, but passes"}],
  [
    overview.signs["not-applicable"],
    {name: "not-applicable", outcome: "", means: "asks for what the server does not declare"},
  ],
  [overview.signs["error"], {name: "error", outcome: "", means: "the harness broke: neither pass nor fail"}],
  [
    "n",
    {
      name: "error",
      outcome: "",
      means: "not run, because the server was not there",
      sign: overview.signs["error"],
    },
  ],
  [" ", {name: "absent", outcome: "", means: "not part of the run", sign: ""}],
]);
const samenesses = new Map([
  ["=", {name: "same", means: "the same answer as the reference's"}],
  ["~", {name: "conforms", means: "passes, and the answer is another"}],
  ["!", {name: "differs", means: "does not pass, and the answer is another"}],
  [" ", {name: "absent", means: "cannot be compared", sign: ""}],
]);
const levels = ["must", "should", "contract", "may", "agreement"];
const levelMeans = {
  must: "the cited text demands it",
  should: "the cited text recommends it",
  contract: "Flask's documented behaviour",
  may: "the cited text allows it",
  agreement: "no text decides; do servers agree?",
};

checks.forEach((check, number) => {
  check.number = number;
  check.clause = overview.clauses[check.clause];
  check.why = overview.whys[check.why];
  check.requires = overview.lists[check.requires];
  check.rests_on = overview.lists[check.rests_on];
  // What a search looks at.
  const {document, section} = check.clause;
  check.text = [check.id, check.title, document, section, check.why.text].join(" ").toLowerCase();
});
servers.forEach((server, number) => {
  server.number = number;
});

const areas = grouped(checks, check => check.area);
const reference = servers.find(server => server.name === overview.reference) ?? null;
// Results that were put together may have been compared with a reference that is not among them.
const isCompared = checks.some(check => check.parity.trim() !== "");

const verdictNames = ["pass", "deviation", "fail", "fixed", "not-applicable", "error"];
const verdictOf = (check, server) => verdicts.get(check.verdicts[server.number]) ?? verdicts.get(" ");
const signOf = (found, key) => found.sign ?? key;

function countVerdicts(server, among = checks) {
  const counts = {
    "pass": 0,
    "deviation": 0,
    "fail": 0,
    "fixed": 0,
    "not-applicable": 0,
    "error": 0,
    "absent": 0,
  };
  for (const check of among) counts[verdictOf(check, server).name] += 1;
  return counts;
}

// The check that a failure follows from: itself, where none that it rests on fails on the server.
function rootOf(check, server, seen = new Set()) {
  seen.add(check);
  for (const id of check.rests_on) {
    const root = checkByToken.get(encode(id));
    if (root && !seen.has(root) && verdictOf(root, server).outcome === "fail")
      return rootOf(root, server, seen);
  }
  return check;
}

// ---- details, which are compressed ----

const loaded = new Map();

function load(identity) {
  if (!loaded.has(identity)) loaded.set(identity, unpack(identity));
  return loaded.get(identity);
}

async function unpack(identity) {
  // They stand below the script: a page that is still being read may not have them yet.
  if (document.readyState === "loading") {
    await new Promise(resolve => document.addEventListener("DOMContentLoaded", resolve, {once: true}));
  }
  const element = document.getElementById(identity);
  if (element === null) throw new Error("the page is not whole: it was cut off when it was saved or sent");
  const bytes = Uint8Array.from(atob(element.textContent), character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

async function detailOf(check, server) {
  const {texts, cells} = await load(`detail-${check.number}`);
  const cell = cells[server.number];
  const direction = ([text, bytes]) => ({text: texts[text], bytes});
  return (
    cell && {
      ...cell,
      message: texts[cell.message],
      log: cell.log === null ? null : texts[cell.log],
      exchanges: cell.exchanges.map(one => ({
        ...one,
        request: direction(one.request),
        response: direction(one.response),
      })),
    }
  );
}

async function noteOf(check, server) {
  const {servers, expectations, messages} = await load("notes");
  const [expectation, message] = servers[server.number][check.number] ?? [null, null];
  return {
    expectation: expectation === null ? null : expectations[expectation],
    message: message === null ? "" : messages[message],
  };
}

// ---- text ----

const hidden = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escaped(character) {
  const code = character.codePointAt(0);
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000
    ? `\\u${code.toString(16).padStart(4, "0")}`
    : `\\U${code.toString(16).padStart(8, "0")}`;
}

// Text of which nothing does something: control and bidirectional characters as escapes.
const printable = text => (/^[ -~]*$/.test(text) ? String(text) : String(text).replace(hidden, escaped));

// Bytes, each as the character of its value, as printable ASCII.
const visible = text =>
  text.replace(
    /[^ -[\]-~]/g,
    character => ({"\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\"})[character] ?? escaped(character),
  );

// ---- elements ----

// An element, by its tag and classes ("p.soft"). What comes after may begin with an object of its
// attributes, in which `on...` are listeners; the rest are children: elements, or text, which is made
// printable. Children that are null, false or empty are left out, as are attributes.
function make(what, ...parts) {
  const [tag, ...classes] = what.split(/[. ]+/);
  const made = document.createElement(tag);
  const style = classes.filter(Boolean).join(" ");
  if (style) made.className = style;
  const attributes = parts[0]?.constructor === Object ? parts.shift() : {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) {
      made.setAttribute(name, name === "title" || name === "aria-label" ? printable(value) : value);
    }
  }
  made.append(...present(parts).map(child => (child instanceof Node ? child : printable(child))));
  return made;
}

const present = parts => parts.flat(Infinity).filter(part => part != null && part !== false && part !== "");
const joined = (items, makeOne) => items.map((item, number) => [number > 0 && ", ", makeOne(item)]);
const code = text => make("code", text);
const link = (href, text) => make("a", {href}, text);

// A link to somewhere else, where it is one: a document may have anything in its place.
function outside(url, text = url) {
  if (!/^https?:\/\//i.test(url)) return make("span", text);
  return make("a", {href: url, rel: "noreferrer", target: "_blank"}, text);
}

// A list of terms, without those of which there is nothing to say.
const terms = (style, entries) =>
  make(
    `dl.${style}`,
    entries
      .filter(([, value]) => present([value]).length)
      .map(([name, value, kind = ""]) => make(`div.${kind}`, make("dt", name), make("dd", value))),
  );

// A table with a head, in a box that scrolls sideways where it is too wide.
const table = (label, style, heads, rows) =>
  make(
    `div.wide`,
    {"tabindex": "0", "role": "region", "aria-label": label},
    make(
      `table.list.${style}`,
      make("thead", make("tr", present(heads.map(head => make("th", {scope: "col"}, head))))),
      make("tbody", rows),
    ),
  );
const heading = (...children) => make("th", {scope: "row"}, children);
const nothing = () => make("span.soft", "0");
const numberCell = (value, style = "") =>
  make(`td.number.${value ? style : ""}`, value ? value.toLocaleString("en") : nothing());

// What a check or a server said; where that is long, in a box of its own that the keys can scroll.
const message = text =>
  make(
    "pre.message",
    text.length > 2000 ? {"tabindex": "0", "role": "region", "aria-label": "Message"} : {},
    text,
  );
const section = (name, ...children) => make("section", make("h3", name), children);
const group = (name, more, open, ...children) =>
  make("details.group", {open}, make("summary", make("h3", name, make("small", ` ${more}`))), children);

// Text that is wrapped for an editor, as paragraphs.
const prose = (text, style = "") =>
  text
    .trim()
    .split(/\n\s*\n/)
    .map(part => make(`p.prose.${style}`, part.replace(/\s+/g, " ")));

// A sentence of the suite's, in which `names` are set as code.
const marked = text => text.split(/`([^`]+)`/).map((part, number) => (number % 2 ? code(part) : part));

const plural = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
const counted = (counts, names) =>
  names
    .filter(name => counts[name])
    .map(name => `${counts[name]} ${name}`)
    .join(", ");

function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}

// ---- links ----

// A part of a link; slashes stay, because ids of checks are read with them.
const encode = text =>
  encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"))
    .replaceAll("%2F", "/")
    .replaceAll("%40", "@");
const serverToken = server => encode(server.name).replaceAll("/", "%2F");

const serverByToken = new Map(servers.map(server => [serverToken(server), server]));
const checkByToken = new Map(checks.map(check => [encode(check.id), check]));

function decoded(token) {
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}
const findServer = token => serverByToken.get(serverToken({name: decoded(token)})) ?? null;
const findCheck = token => checkByToken.get(encode(decoded(token))) ?? null;

// Links to checks and cells have the filters in them, so that what is around them is shown as well.
const cellLink = (check, server, parameters = {}) =>
  `#cell/${serverToken(server)}/${encode(check.id)}${queryOf(parameters)}`;
const checkLink = check => `#check/${encode(check.id)}${queryOf()}`;
const serverLink = server => `#server/${serverToken(server)}`;
const checkAnchor = (check, server, parameters) =>
  link(server ? cellLink(check, server, parameters) : checkLink(check), check.id);
const checkAnchors = (found, server) => joined(found, check => checkAnchor(check, server));
const serverAnchor = server => link(serverLink(server), server.name);

const badge = (found, sign) =>
  make(
    `span.badge.v-${found.name}`,
    make("b", {"aria-hidden": "true"}, signOf(found, sign)),
    ` ${found.name}`,
  );
const verdictBadge = (check, server) => badge(verdictOf(check, server), check.verdicts[server.number]);
