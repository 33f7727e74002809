// What people ask of servers, answered by the checks.

// By answer: the colours it has, its word and its sign.
const answers = {
  "yes": ["v-pass", "yes", "✓"],
  "partly": ["v-deviation", "partly", "~"],
  "no": ["v-fail", "no", "✗"],
  "not-declared": ["v-not-applicable", "not declared", "–"],
  "unknown": ["v-not-applicable", "unknown", "?"],
};
const answerOf = found => answers[found.answer] ?? answers.unknown;

function answerWords(found) {
  const failing = found.failing.length;
  const of = found.applicable ? ` of ${found.applicable}` : "";
  return failing ? `${answerOf(found)[1]}, ${failing}${of} checks failing` : answerOf(found)[1];
}

function supportView(token = "", name = "") {
  const asked = overview.support.find(one => encode(one.id) === encode(decoded(token)));
  const groups = [...grouped(overview.support, one => one.group)];
  return [
    make("h2", "Support"),
    make(
      "p.lead",
      "What people ask of a server, answered by the checks: yes where all that apply pass, no where none of those ",
      "that decide does. It says what a server does, not whether it may: a no is often allowed, and what the proxy ",
      "in front does is not seen here. Each answer leads to its checks.",
    ),
    asked && supportAnswer(asked, findServer(name)),
    make(
      "ul.legend",
      Object.values(answers).map(([style, word, sign]) =>
        make("li", make(`b.${style}`, {"aria-hidden": "true"}, sign), ` ${word}`),
      ),
    ),
    make(
      "div.wide.tall",
      {"tabindex": "0", "role": "region", "aria-label": "Answers"},
      make(
        "table.support",
        make(
          "thead",
          make(
            "tr",
            make("th.corner", {scope: "col"}, "Question"),
            servers.map(server =>
              make("th", {scope: "col"}, link(serverLink(server), make("span", server.name))),
            ),
          ),
        ),
        groups.map(([group, questions]) =>
          make(
            "tbody",
            make(
              "tr.group",
              make("th", {scope: "rowgroup", colspan: servers.length + 1}, make("span", group)),
            ),
            questions.map(one => supportRow(one, one === asked)),
          ),
        ),
      ),
    ),
  ];
}

function supportRow(one, asked) {
  const target = `#support/${encode(one.id)}`;
  const cell = server => {
    const found = one.servers[server.number];
    const [style, , sign] = answerOf(found);
    const label = `${server.name}: ${answerWords(found)}`;
    return make(
      `td.${style}`,
      make("a", {"href": `${target}/${serverToken(server)}`, "aria-label": label, "title": label}, sign),
    );
  };
  return make(
    `tr.${asked ? "asked" : ""}`,
    heading(make("a", {href: target, title: one.why}, marked(one.question))),
    servers.map(cell),
  );
}

// One answer in full; or one question, where no server is named.
function supportAnswer(asked, server) {
  return make(
    "section.card",
    {"aria-label": asked.question},
    make("h3", marked(asked.question)),
    server && make("p", serverAnchor(server), ": ", make("b", answerWords(asked.servers[server.number]))),
    make("p", marked(asked.why), " ", asked.asked && outside(asked.asked, "Where it was asked.")),
    make(
      "ul.plain",
      asked.checks
        .map(number => checks[number])
        .map(check =>
          make(
            "li",
            server && verdictBadge(check, server),
            " ",
            checkAnchor(check, server),
            " ",
            marked(check.title),
          ),
        ),
    ),
  );
}
