// The page of a run: shows its state, which arrives as events, and asks for changes. It decides nothing itself.
// Names of cameras, files and profiles are somebody else's words: they only ever become text.
"use strict";

const KEY = "rtsod-key"; // in the storage of this very address and port, which cookies do not know
const ROLE = "rtsod-role";
const SHORTCUTS = "rtsod-shortcuts";
const ANSWER_MS = 7000; // how long a message stays
const DEFAULT_SIGMA = 18;

const at = (id) => document.getElementById(id);
let state = null;
let mayReveal = false;
let backgrounds = [];
let events = null;

// Asking

async function ask(method, path, body, headers = {}) {
  const writes = method !== "GET";
  const raw = body instanceof Blob;
  const sent = writes ? { "X-Rtsod": localStorage.getItem(KEY) || "none", ...headers } : headers;
  if (writes) sent["Content-Type"] = raw ? "application/octet-stream" : "application/json";
  const response = await fetch(path, {
    method,
    headers: sent,
    body: writes ? (raw ? body : JSON.stringify(body ?? {})) : undefined,
    credentials: "same-origin",
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = new Error(answer.error?.message ?? `the server answered ${response.status}`);
  error.status = response.status;
  error.kind = answer.error?.kind;
  throw error;
}

async function act(work) {
  try {
    const answer = await work();
    if (answer && "revision" in answer) show(answer);
    return answer;
  } catch (error) {
    say("alert", error instanceof TypeError ? "The run does not answer." : sentence(error.message));
    if (error.kind === "secret") close("Signed out", sentence(error.message));
    if (state) show(state); // what was moved in vain goes back to where it was
    return null;
  }
}

function say(where, text) {
  const place = at(where);
  for (const id of ["said", "alert"]) at(id).textContent = "";
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, ANSWER_MS);
}

function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

const change = (settings) => act(() => ask("PATCH", "/api/v1/settings", settings));
const toggleSlate = () => act(() => ask("POST", state?.paused ? "/api/v1/resume" : "/api/v1/slate"));

// Showing

function show(next) {
  state = next;
  if ("may_reveal" in next) mayReveal = next.may_reveal;
  const { settings, paused } = next;
  document.body.dataset.state = paused ? "slate" : "live";
  put("status", paused ? "Slate" : "Live");
  put("slate-label", paused ? "Show me again" : "Slate");
  at("slate").setAttribute("aria-pressed", String(paused));
  at("badge").hidden = !paused;
  for (const name of ["mirror", "light_wrap", "subject_lock"]) at(name).checked = settings[name];
  at("subject_lock").disabled = !mayReveal && settings.subject_lock;
  at("refine").value = settings.refine;
  if (settings.background.startsWith("#")) at("colour").value = longColour(settings.background);
  const sigma = sigmaOf(settings.background);
  at("blur").disabled = isLocked("blur:1000");
  at("blur").min = mayReveal || sigma === null ? "2" : String(Math.ceil(sigma));
  if (sigma !== null && document.activeElement !== at("blur")) setSlider(sigma);
  markChosen();
  showNumbers(next);
  markCamera();
  for (const chip of at("profiles").children) chip.setAttribute("aria-pressed", String(chip.value === next.profile));
  at("reveal-note").hidden = mayReveal;
  at("camera-note").hidden = mayReveal;
}

function put(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text; // so that screen readers speak of changes alone
}

let counted = null; // the numbers that the rate was counted from last

// Pictures since the last count: the average since the start would hide what happens now.
function showRate(numbers) {
  const now = performance.now();
  if (counted === null || numbers.composited < counted.pictures) {
    put("fps", numbers.output_fps ? numbers.output_fps.toFixed(1) : "–");
    counted = { at: now, pictures: numbers.composited };
  } else if (now - counted.at >= 900) {
    put("fps", ((1000 * (numbers.composited - counted.pictures)) / (now - counted.at)).toFixed(1));
    counted = { at: now, pictures: numbers.composited };
  }
}

function showNumbers({ numbers, engine, source, rung, event }) {
  showRate(numbers);
  milliseconds("latency", numbers.latency_ms);
  milliseconds("age", numbers.mask_age_ms);
  const dropped = Object.entries(numbers.dropped).filter(([, count]) => count);
  const total = dropped.reduce((sum, [, count]) => sum + count, 0);
  withDetail("drops", String(total), dropped.map(([reason, count]) => `${count} ${words(reason)}`).join(", "));
  put("engine", `${engine.model}, ${engine.name} ${engine.precision}, ${engine.device}`);
  put("rung", rung ?? "–");
  const size = source.width ? `, ${source.width}×${source.height}` : "";
  const rate = source.fps ? `, ${+source.fps.toFixed(1)} a second` : "";
  put("source", source.name + size + rate);
  put("event", event ? words(event) : "none");
}

function milliseconds(id, values) {
  if (values) withDetail(id, `${Math.round(values.p50)} ms`, `95 %: ${Math.round(values.p95)} ms`);
  else put(id, "–");
}

function withDetail(id, text, detail) {
  const place = at(id);
  if (place.dataset.shown === text + detail) return;
  place.dataset.shown = text + detail;
  place.replaceChildren(text);
  if (!detail) return;
  const small = document.createElement("small");
  small.textContent = detail;
  place.append(small);
}

const words = (name) => name.replaceAll("_", " ");
const longColour = (text) => (text.length === 4 ? `#${[...text.slice(1)].map((digit) => digit + digit).join("")}` : text).toLowerCase();

function sigmaOf(background) {
  if (background === "blur") return DEFAULT_SIGMA;
  const value = /^blur:(.+)$/.exec(background);
  return value ? Number(value[1]) : null;
}

function setSlider(sigma) {
  at("blur").max = String(Math.max(60, Math.ceil(sigma)));
  at("blur").value = String(sigma);
  put("blur-value", String(+Number(sigma).toFixed(1)));
}

// Backgrounds

const TREATMENTS = [
  { id: "blur", label: "Blur", paint: "blur" },
  { id: "#", label: "Colour", paint: "colour" },
  { id: "transparent", label: "Transparent", paint: "transparent" },
  { id: "none", label: "Your room", paint: "none" },
];

async function loadBackgrounds() {
  const found = await ask("GET", "/api/v1/backgrounds");
  const isTransparent = state.settings.background === "transparent"; // outputs with alpha are opened at the start
  if (unchanged("backgrounds", [found, isTransparent])) return;
  const special = (id) => id === "transparent" || id === "none" || id.startsWith("blur") || id.startsWith("#");
  backgrounds = [...TREATMENTS.filter(({ id }) => id !== "transparent" || isTransparent), ...found.filter(({ id }) => !special(id))];
  at("backgrounds").replaceChildren(...backgrounds.map(tile));
  markChosen();
}

function tile({ id, label, paint }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tile";
  button.value = id;
  const picture = document.createElement(paint ? "i" : "img");
  if (paint) picture.className = `paint ${paint}`;
  else {
    picture.src = `/api/v1/backgrounds/${encodeURIComponent(id)}/thumb`;
    picture.alt = "";
  }
  const name = document.createElement("span");
  name.textContent = label;
  button.append(picture, name);
  button.addEventListener("click", () => change({ background: wanted(id) }));
  return button;
}

function wanted(id) {
  if (id === "#") return at("colour").value;
  if (id === "blur") return `blur:${at("blur").value}`;
  return id;
}

// Only to show what is locked: the run itself decides.
function openness(background) {
  if (background === "none") return Infinity;
  const sigma = sigmaOf(background);
  return sigma === null ? 0 : 1 / sigma;
}

const isLocked = (background) => !mayReveal && openness(background) > openness(state.settings.background);

function isChosen(id, current) {
  if (id === "#") return current.startsWith("#");
  if (id === "blur") return sigmaOf(current) !== null;
  return id === current;
}

function markChosen() {
  if (!state) return;
  for (const button of at("backgrounds").children) {
    const chosen = isChosen(button.value, state.settings.background);
    button.setAttribute("aria-pressed", String(chosen));
    button.disabled = !chosen && isLocked(wanted(button.value));
    if (button.disabled) button.setAttribute("aria-describedby", "reveal-note");
    else button.removeAttribute("aria-describedby");
    if (button.value === "#") button.firstChild.style.backgroundColor = at("colour").value;
  }
}

function nextBackground() {
  const open = backgrounds.filter(({ id }) => id !== "none" && id !== "transparent" && !isLocked(wanted(id)));
  const current = open.findIndex(({ id }) => isChosen(id, state.settings.background));
  if (open.length) change({ background: wanted(open[(current + 1) % open.length].id) });
}

async function upload(file) {
  say("said", "The picture is being added.");
  const added = await act(() => ask("POST", `/api/v1/backgrounds?name=${encodeURIComponent(file.name)}`, file));
  if (!added) return;
  await act(loadBackgrounds);
  if (await change({ background: added.id })) say("said", "The picture is your background now.");
}

// A list that is built anew would take the focus from whoever is in it.
const lists = {};
function unchanged(name, found) {
  const text = JSON.stringify(found);
  if (lists[name] === text) return true;
  lists[name] = text;
  return false;
}

// Cameras and profiles

async function loadCameras() {
  const found = await ask("GET", "/api/v1/sources");
  if (unchanged("cameras", found)) return;
  at("cameras").replaceChildren(...found.map(({ id, label }) => {
    const option = document.createElement("option");
    option.value = id;
    option.textContent = label;
    return option;
  }));
  loadCameras.current = null;
  markCamera();
}

function markCamera() {
  if (!state) return;
  const select = at("cameras");
  if (loadCameras.current !== state.settings.source) { // keep what is being chosen, until the camera changes
    loadCameras.current = state.settings.source;
    select.value = state.settings.source;
  }
  select.disabled = !mayReveal || select.options.length === 0;
  at("use-camera").disabled = select.disabled || !select.value || select.value === state.settings.source;
}

async function loadProfiles() {
  const names = await ask("GET", "/api/v1/profiles").catch(() => []);
  if (unchanged("profiles", names)) return;
  at("profiles").replaceChildren(...names.map((name) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.value = name;
    chip.textContent = name;
    chip.setAttribute("aria-pressed", String(state?.profile === name));
    chip.addEventListener("click", () => act(() => ask("POST", `/api/v1/profile/${encodeURIComponent(name)}`)));
    return chip;
  }));
  at("no-profiles").hidden = names.length > 0;
}

async function saveProfile(name) {
  if (!(await act(() => ask("POST", "/api/v1/profiles", { name })))) return;
  at("profile-name").value = "";
  await loadProfiles();
  say("said", `Saved as ${name}.`);
}

// The way in and out

async function signIn() {
  const [role, code] = location.hash.slice(1).split("=");
  if (!code) return;
  history.replaceState(null, "", location.pathname); // the code must not stay in the history
  const { key, role: granted } = await ask("POST", "/api/v1/session", { code }, { "X-Rtsod": role });
  localStorage.setItem(KEY, key);
  localStorage.setItem(ROLE, granted);
}

function close(title, text) {
  document.body.dataset.page = "closed";
  at("status").textContent = title;
  at("closed-title").textContent = title;
  at("closed-text").textContent = text;
  stopWatching();
}

function watch() {
  stopWatching();
  at("picture").src = `/api/v1/preview.mjpg?${Date.now()}`;
  events = new EventSource("/api/v1/events");
  events.addEventListener("state", (event) => {
    if (document.body.dataset.page !== "open") return open();
    return show(JSON.parse(event.data));
  });
  events.onerror = () => {
    if (document.hidden) return;
    document.body.dataset.state = "gone";
    at("status").textContent = "The run does not answer";
    clearTimeout(watch.timer);
    watch.timer = setTimeout(open, 2000); // it may be a new run, which does not know us
  };
}

function stopWatching() {
  clearTimeout(watch.timer);
  events?.close();
  events = null;
  at("picture").removeAttribute("src"); // nothing is encoded for a page that nobody looks at
}

async function open() {
  try {
    show(await ask("GET", "/api/v1/state"));
  } catch (error) {
    if (error.status === 401) close("Signed out", `${sentence(error.message)}`);
    else close("The run has ended", "When it runs again, open the link that it prints.");
    return;
  }
  document.body.dataset.role = localStorage.getItem(ROLE) ?? "control";
  document.body.dataset.page = "open";
  watch();
  await act(async () => { await Promise.all([loadBackgrounds(), loadCameras(), loadProfiles()]); });
}

function listen() {
  at("slate").addEventListener("click", toggleSlate);
  for (const name of ["mirror", "light_wrap", "subject_lock"]) {
    at(name).addEventListener("change", (event) => change({ [name]: event.target.checked }));
  }
  at("refine").addEventListener("change", (event) => change({ refine: event.target.value }));
  at("blur").addEventListener("input", (event) => put("blur-value", event.target.value));
  at("blur").addEventListener("change", (event) => change({ background: `blur:${event.target.value}` }));
  at("colour").addEventListener("change", (event) => change({ background: event.target.value }));
  at("upload").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) await upload(file);
    event.target.value = "";
  });
  at("cameras").addEventListener("change", markCamera);
  at("use-camera").addEventListener("click", () => act(() => ask("POST", "/api/v1/source", { id: at("cameras").value })));
  at("save").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = at("profile-name").value.trim();
    if (name) saveProfile(name);
  });
  at("keys").checked = localStorage.getItem(SHORTCUTS) !== "off";
  at("keys").addEventListener("change", (event) => localStorage.setItem(SHORTCUTS, event.target.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=text], select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !at("keys").checked || !state) return;
    if (document.body.dataset.role === "view") return;
    const keys = { p: toggleSlate, b: nextBackground, m: () => change({ mirror: !state.settings.mirror }) };
    keys[event.key.toLowerCase()]?.();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.body.dataset.page !== "open") return;
    if (document.hidden) stopWatching();
    else open();
  });
}

async function start() {
  listen();
  window.addEventListener("hashchange", signInAndOpen);
  await signInAndOpen();
}

async function signInAndOpen() {
  let refused = null;
  await signIn().catch((error) => { refused = error; });
  await open(); // with a used link, this browser may still be signed in
  if (refused && document.body.dataset.page !== "open") close("This link does not work any more", sentence(refused.message));
}

start();
