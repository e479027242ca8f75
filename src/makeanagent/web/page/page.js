// The page: asks the server step by step, and shows what it says.

const at = (id) => document.getElementById(id);
const show = (id, shown = true) => { at(id).hidden = !shown; };
const say = (id, text) => { at(id).textContent = text ?? ""; show(id, Boolean(text)); };

let session = "";
let offered = { generators: [] };
let upload = ""; // Name of the file that the server has; empty while a bundled one is chosen.
let asked = 0; // Counts readings, that an answer to an older one is left alone.
let isReady = false; // Whether a demonstration was read.
let isWorking = false;
let shownFrom = ""; // The demonstration of the policies that are shown, which may not be the last.

async function call(method, path, body, type = "application/json") {
  let answer;
  try {
    answer = await fetch(path, { method, body, headers: body ? { "Content-Type": type } : {} });
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: `the server says ${answer.status}` }));
  throw new Error(error);
}

const pathsText = "Paths in metres. Objects start at the squares and may be moved; stars are goals.";
const own = (path) => `sessions/${session}/${path}`;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(select, values, texts = values) {
  select.replaceChildren(...values.map((value, index) => new Option(texts[index], value)));
  select.disabled = values.length === 0;
}

const generator = () => offered.generators.find((each) => each.name === at("generator").value);

function allow() {
  const needed = !isReady ? "Choose a demonstration first."
    : !at("task").value ? "Choose the task to play." : "";
  at("go").disabled = isWorking || Boolean(needed);
  say("needed", needed);
}

function showGenerator() {
  const { demonstrations, tasks, about } = generator();
  const [bundled, task] = [at("bundled").value, at("task").value];
  fill(at("bundled"), ["", ...demonstrations], ["choose one ...", ...demonstrations]);
  fill(at("task"), ["", ...tasks], ["choose a task ...", ...tasks]);
  if (demonstrations.includes(bundled) && !upload) at("bundled").value = bundled;
  if (tasks.includes(task)) at("task").value = task;
  at("generator").title = about;
}

function readOptions() {
  const words = at("observation").value.split(/[\s,]+/).filter(Boolean);
  const options = { success: at("success").value, observation: words };
  if (at("group").value.trim()) options.group = at("group").value.trim();
  if (at("episode").value) options.episodes = [Number(at("episode").value)];
  return options;
}

async function read() {
  const mine = ++asked;
  const bundled = at("bundled").value;
  if (!bundled && !upload) return;
  isReady = false;
  allow();
  say("unreadable");
  show("read", false);
  say("reading", `reading ${bundled || upload} ...`);
  const request = { generator: at("generator").value, task: at("task").value || null };
  if (bundled) request.bundled = bundled;
  else request.options = readOptions();
  try {
    const answer = await call("POST", own("read"), JSON.stringify(request));
    const found = await answer.json();
    if (mine === asked) showRead(found);
  } catch (error) {
    if (mine === asked) say("unreadable", error.message);
  } finally {
    if (mine === asked) say("reading");
  }
}

function showRead(found) {
  at("label").textContent = found.label;
  const like = found.familiarity;
  const facts = [
    ["task", found.env_id ?? found.words ?? "not named in the file"],
    ["by", found.source],
    ["steps", `${found.steps}, of ${found.widths[0]} observations and ${found.widths[1]} actions`],
    ["outcome", found.outcome],
    ["familiarity", like === null ? null
      : found.warnings.length ? `unlike training (${like} times the threshold)`
        : `like training (${like} of the threshold)`],
    ["recognised", found.practised === null ? "no: policies come from reading it alone"
      : `as ${found.practised}, which training practised: policies are those of practice`],
    ["episode", found.num_episodes > 1 ? `${found.episode}, of ${found.num_episodes}` : null],
  ];
  at("facts").replaceChildren(...facts.filter(([, text]) => text)
    .flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
  at("warnings").replaceChildren(...found.warnings.map((text) => element("li", text)));
  const hidden = found.hidden.map((what) => `hides the ${what}, as training did by chance`);
  at("notes").replaceChildren(...[...found.notes, ...hidden].map((text) => element("li", text)));
  showPaths("read-paths", found.paths);
  at("task").value = found.task ?? "";
  fill(at("episode"), found.episodes);
  at("episode").value = found.episode;
  show("read");
  isReady = true;
  allow();
}

function showPaths(id, svg) {
  at(id).innerHTML = svg ?? ""; // The server drew it.
  if (svg) at(id).append(element("figcaption", pathsText));
  show(id, Boolean(svg));
}

async function send() {
  const [file] = at("file").files;
  if (!file) return;
  asked++;
  at("bundled").value = "";
  upload = "";
  isReady = false;
  allow();
  say("unreadable");
  show("read", false);
  show("options", false);
  fill(at("episode"), []);
  at("task").value = ""; // That of the last demonstration says nothing of this one.
  const ending = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  if (!offered.suffixes.includes(ending)) {
    say("unreadable", `${file.name}: must be ${offered.accepted}`);
  } else if (file.size > offered.max_upload * 1e6) {
    say("unreadable", `${file.name}: larger than ${offered.max_upload} MB, the most that is taken`);
  } else {
    say("reading", `uploading ${file.name} ...`);
    try {
      const path = own(`upload?name=${encodeURIComponent(file.name)}`);
      const answer = await call("PUT", path, file, "application/octet-stream");
      upload = (await answer.json()).name;
      show("options");
      await read();
    } catch (error) {
      say("unreadable", error.message);
    } finally {
      say("reading");
    }
  }
}

const stages = {
  wait: () => "another visitor's policies are being played; yours come next ...",
  generate: () => "generating ...",
  play: ({ done, total }) => `playing on new layouts: ${done} of ${total} episodes`,
  film: () => "filming ...",
};

function showStage(line) {
  say("stage", stages[line.stage](line));
  const bar = at("progress");
  if (line.total) [bar.max, bar.value] = [line.total, line.done];
  else bar.removeAttribute("value");
}

const percent = (rate) => `${Math.round(rate * 100)}%`;

function showSuccess({ solved, layouts, mean, interval_95: [low, high], num_rollouts: episodes }) {
  at("mean").textContent = percent(mean);
  at("mean-text").textContent = `mean success of policies from ${shownFrom} in ${episodes} episodes`
    + ` on new layouts; 95% interval ${percent(low)} to ${percent(high)}`;
  at("policies").replaceChildren(...solved.map((count, number) => {
    const item = element("li");
    const [bar, inner] = [element("div", undefined, "bar"), element("i")];
    inner.style.width = `${(100 * count) / layouts}%`;
    bar.append(inner);
    item.append(element("span", `policy ${number}`), bar, element("span", `${count} / ${layouts}`));
    return item;
  }));
  show("scored");
}

function showScenes(scenes, missing) {
  at("scenes").replaceChildren(...scenes.map(({ title, outcome, source }) => {
    const [item, image] = [element("div"), element("img")];
    Object.assign(image, { src: source, alt: title });
    item.append(image, element("b", title), outcome);
    return item;
  }));
  show("scenes", scenes.length > 0);
  say("missing", missing);
}

function showLine(line) {
  if (line.stage) showStage(line);
  if (line.success) showSuccess(line.success);
  if (line.paths) showPaths("paths", line.paths);
  if (line.scenes) showScenes(line.scenes, line.missing);
  if (line.error) throw new Error(line.error);
  if (line.ready) show("downloads");
  return Boolean(line.finished);
}

async function generate() {
  isWorking = true;
  shownFrom = at("label").textContent;
  allow();
  for (const id of ["failed", "scored", "scenes", "missing", "paths", "downloads"]) show(id, false);
  show("result");
  show("working");
  showStage({ stage: "generate" });
  at("result").scrollIntoView({ behavior: "smooth", block: "start" });
  const trial = {
    task: at("task").value,
    num_policies: Number(at("num").value),
    seed: Number(at("seed").value),
    guidance: at("guidance").checked,
  };
  try {
    const answer = await call("POST", own("trial"), JSON.stringify(trial));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let isFinished = false;
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) isFinished = showLine(JSON.parse(line));
    }
    if (!isFinished) throw new Error("the server stopped before it was done");
  } catch (error) {
    say("failed", error.message);
  } finally {
    show("working", false);
    isWorking = false;
    allow();
  }
}

async function start() {
  try {
    offered = await (await call("POST", "sessions")).json();
  } catch (error) {
    say("broken", error.message);
    return;
  }
  session = offered.session;
  const names = offered.generators.map((each) => each.name);
  fill(at("generator"), names);
  showGenerator();
  at("num").max = offered.max_policies;
  at("file").disabled = false;
  at("file").accept = offered.suffixes.join(",");
  at("accepted").textContent = `Your own: ${offered.accepted}; ${offered.max_upload} MB at most.`;
  at("download").href = own("policies/safetensors");
  at("download-onnx").href = own("policies/onnx");
  show("download-onnx", offered.has_onnx);
  show("no-onnx", !offered.has_onnx);
}

at("bundled").addEventListener("change", () => {
  upload = "";
  at("file").value = "";
  show("options", false);
  read();
});
at("file").addEventListener("change", send);
at("generator").addEventListener("change", () => { showGenerator(); read(); });
at("reread").addEventListener("click", read);
at("episode").addEventListener("change", read);
at("group").addEventListener("change", () => fill(at("episode"), [])); // It has others.
at("task").addEventListener("change", () => {
  allow();
  // A file that names no task can be drawn once it has one.
  if (isReady && at("read-paths").hidden) read();
});
at("go").addEventListener("click", generate);
for (const id of ["num", "seed"]) {
  at(id).addEventListener("input", () => { at(`${id}-shown`).value = at(id).value; });
}
addEventListener("pagehide", () => { if (session) navigator.sendBeacon(own("end")); });
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
start();
