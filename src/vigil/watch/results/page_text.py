"""The style, the HTML and the script of the page of a watched source."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f4f5f7; --line: #8885; --text: #1c1f24;
  --soft: #5b6470; --curve: #0072b2; --alarm: #c62828; --quiet: #9e7b2f; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --panel: #1f242b; --text: #e8eaed;
  --soft: #a3adb8; --curve: #56b4e9; --alarm: #ff7b72; --quiet: #e0b25c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 1rem; background: var(--ground);
  color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; }
.facts, .note { color: var(--soft); margin: .2rem 0 .8rem; }
.player { background: #000; border-radius: 6px; overflow: hidden; }
video { display: block; width: 100%; max-height: 70vh; }
.missing { color: #fff; padding: 2rem 1rem; text-align: center; }
.timeline { display: block; width: 100%; height: 96px; margin: .6rem 0 0; background: var(--panel);
  border-radius: 6px; cursor: pointer; touch-action: manipulation; }
.timeline:focus-visible, button:focus-visible, input:focus-visible {
  outline: 3px solid var(--curve); outline-offset: 2px; }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; }
.filters { display: flex; flex-wrap: wrap; gap: .6rem 1.4rem; align-items: center; margin: 1rem 0; }
.filters label { display: inline-flex; gap: .4rem; align-items: center; min-height: 2.4rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: .8rem; padding: 0; margin: 0; list-style: none; }
.card { background: var(--panel); border-radius: 6px; border-left: 5px solid var(--alarm);
  overflow: hidden; display: flex; flex-direction: column; }
.card.quiet { border-left-color: var(--quiet); }
.card.current { outline: 2px solid var(--curve); }
.card img { width: 100%; display: block; } .card div { padding: .6rem .8rem; }
.card .allowed { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; padding: .3rem 0; }
 .allowed figure { margin: 0; min-width: 0; }
.allowed figcaption { color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; }
.card h3 { margin: 0 0 .2rem; font-size: 1rem; } .card p { margin: .15rem 0; color: var(--soft); }
.card .buttons { padding-top: 0; display: flex; flex-wrap: wrap; gap: .5rem; margin-top: auto; }
button, .button { font: inherit; color: inherit; background: transparent; min-height: 2.4rem;
  border: 1px solid var(--line); border-radius: 5px; padding: .35rem .8rem; cursor: pointer;
  text-decoration: none; display: inline-flex; align-items: center; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
tr.refused { opacity: .65; } kbd { border: 1px solid var(--line); border-radius: 3px;
  padding: 0 .3rem; font-size: .85em; }
"""

BODY = """
<header><h1 id="name"></h1><p class="facts" id="facts"></p></header>
<main>
<section aria-label="video"><div class="player" id="player"></div>
<svg class="timeline" id="timeline" viewBox="0 0 1000 96" preserveAspectRatio="none" tabindex="0"
 role="slider" aria-label="time" aria-valuemin="0"></svg>
<div class="axis"><span>0:00</span><span id="clock"></span><span id="end"></span></div>
<p class="note">Click the timeline to go to a time. <kbd>space</kbd> plays or pauses,
<kbd>&larr;</kbd> <kbd>&rarr;</kbd> move 5 s, <kbd>,</kbd> <kbd>.</kbd> move one frame,
<kbd>p</kbd> <kbd>n</kbd> go to the previous or next event. The curve is the score. The dashed line
is the threshold of events.</p></section>
<section aria-label="events"><h2>Events</h2>
<div class="filters" id="filters">
<label><input type="checkbox" id="suppressed"> events that are no alarms</label>
<label><input type="checkbox" id="lost" checked> losses of the signal</label>
<label>peak of at least <input type="range" id="least" min="0" max="1" step="0.1" value="0">
<output id="least-text"></output></label></div>
<p class="note" id="none" hidden>No event is shown.</p><ul class="cards" id="cards"></ul></section>
<section aria-label="tracks"><h2>Tracks</h2>
<div class="filters"><label><input type="checkbox" id="refused"> tracks that the classifier
refuses</label></div><div class="wide"><table><thead><tr><th>track</th><th>class</th><th>from</th>
<th>to</th><th>boxes</th><th>probability of a person</th></tr></thead><tbody id="tracks"></tbody>
</table></div></section>
</main>
"""

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg", WIDTH = 1000, HEIGHT = 96, TOP = 6, HIGHEST = 4;
const length = Math.max(data.duration_s, 0.001);
let video = null, now = 0;

function clock(s) {
  const tenths = Math.floor(s * 10 + 1e-6), h = Math.floor(tenths / 36000);
  const m = Math.floor(tenths / 600) % 60, rest = tenths % 600;
  const two = n => String(n).padStart(2, "0");
  return (h ? h + ":" + two(m) : m) + ":" + two(Math.floor(rest / 10)) + "." + rest % 10;
}
function make(tag, parent, text, attributes) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  parent.append(element);
  return element;
}
function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  $("timeline").append(element);
  return element;
}
const across = s => WIDTH * Math.min(Math.max(s / length, 0), 1);
const down = r => HEIGHT - TOP - Math.min(r, HIGHEST) / HIGHEST * (HEIGHT - 2 * TOP);

function seek(s) {
  now = Math.min(Math.max(s, 0), length);
  if (video) video.currentTime = now;
  showTime();
}
function showTime() {
  cursor.setAttribute("x1", across(now)); cursor.setAttribute("x2", across(now));
  $("clock").textContent = clock(now);
  $("timeline").setAttribute("aria-valuenow", now.toFixed(1));
  $("timeline").setAttribute("aria-valuetext", clock(now));
  for (const card of document.querySelectorAll(".card")) {
    card.classList.toggle("current", now >= +card.dataset.start && now < +card.dataset.end);
  }
}
function isShown(event) {
  if (event.kind === "signal_lost") return $("lost").checked;
  return event.peak_score >= +$("least").value && (!event.suppressed || $("suppressed").checked);
}
function showCards() {
  $("cards").replaceChildren();
  const shown = data.events.filter(isShown);
  $("none").hidden = shown.length > 0;
  $("least-text").textContent = (+$("least").value).toFixed(1) + " x threshold";
  for (const event of shown) {
    const isLost = event.kind === "signal_lost", isQuiet = isLost || event.suppressed;
    const card = make("li", $("cards"), undefined,
      { class: isQuiet ? "card quiet" : "card", id: "event-" + event.id });
    card.dataset.start = event.start_s; card.dataset.end = event.end_s;
    if (event.picture) make("img", card, undefined,
      { src: event.picture, alt: "the frame at the peak", loading: "lazy" });
    const text = make("div", card);
    const name = isLost ? "signal lost" : event.suppressed ? "no alarm" : "alarm";
    make("h3", text, name + " " + clock(event.start_s) + " to " + clock(event.end_s));
    if (event.suppressed) make("p", text, event.suppressed);
    if (!isLost) {
      make("p", text, "raised at " + clock(event.raised_s) + ", peak " + event.peak_score.toFixed(1)
        + " x threshold at " + clock(event.peak_s) + (event.reason ? ", by " + event.reason : ""));
      make("p", text, event.people.length ? "people: " + event.people.join(", ")
        : "no person at the peak");
      if (event.is_muted) make("p", text, "no notification: there was another one shortly before");
    }
    if (!isLost) showAllowed(text, event);
    if (event.follows) make("p", text, "continues event " + event.follows);
    make("p", text, event.id);
    const buttons = make("div", card, undefined, { class: "buttons" });
    make("button", buttons, "go there", { type: "button" }).addEventListener("click", () => {
      seek(event.start_s); $("player").scrollIntoView({ block: "nearest" });
    });
    if (event.video) make("a", buttons, "event video", { class: "button", href: event.video });
  }
  showTime();
}
function showAllowed(text, event) {
  if (!event.nearest) {
    make("p", text, "Allowed clips to compare with: none, as the models came without them.");
    return;
  }
  make("p", text, "The most similar in the allowed clips:");
  const figures = make("div", text, undefined, { class: "allowed" });
  for (const one of event.nearest) {
    const figure = make("figure", figures), name = one.video + " at " + clock(one.time_s);
    make("img", figure, undefined,
      { src: one.picture, alt: "allowed: " + name, loading: "lazy" });
    make("figcaption", figure, name + ", distance " + one.distance.toPrecision(2));
  }
}
function showTracks() {
  $("tracks").replaceChildren();
  for (const track of data.tracks) {
    if (!track.is_kept && !$("refused").checked) continue;
    const row = make("tr", $("tracks"), undefined, { class: track.is_kept ? "" : "refused" });
    const cell = make("td", row);
    make("button", cell, String(track.track_id), { type: "button" })
      .addEventListener("click", () => seek(track.start_s));
    make("td", row, track.label); make("td", row, clock(track.start_s));
    make("td", row, clock(track.stop_s)); make("td", row, String(track.num_boxes));
    make("td", row, track.probability === null ? "not judged" : track.probability.toFixed(3));
  }
}

$("name").textContent = data.name; document.title = data.name;
$("facts").textContent = data.facts; $("end").textContent = clock(length);
$("timeline").setAttribute("aria-valuemax", length.toFixed(1));
if (data.video) {
  video = make("video", $("player"), undefined,
    { src: data.video, controls: "", preload: "metadata", playsinline: "" });
  for (const name of ["timeupdate", "seeked"]) {
    video.addEventListener(name, () => { now = video.currentTime; showTime(); });
  }
} else make("p", $("player"), "No annotated video was written.", { class: "missing" });
for (const event of data.events) {
  const fill = event.kind === "signal_lost" || event.suppressed ? "var(--quiet)" : "var(--alarm)";
  draw("rect", { x: across(event.start_s), y: 0, height: HEIGHT, fill, opacity: 0.35,
    width: Math.max(across(event.end_s) - across(event.start_s), 2) });
}
draw("line", { x1: 0, x2: WIDTH, y1: down(data.raise_at), y2: down(data.raise_at),
  stroke: "var(--soft)", "stroke-dasharray": "6 6", "vector-effect": "non-scaling-stroke" });
draw("polyline", { points: data.scores.map(([s, r]) => across(s) + "," + down(r)).join(" "),
  fill: "none", stroke: "var(--curve)", "stroke-width": 1.5,
  "vector-effect": "non-scaling-stroke" });
const cursor = draw("line", { y1: 0, y2: HEIGHT, stroke: "var(--text)", "stroke-width": 2,
  "vector-effect": "non-scaling-stroke" });
$("timeline").addEventListener("click", click => {
  const box = $("timeline").getBoundingClientRect();
  seek((click.clientX - box.left) / box.width * length);
});
$("least").max = Math.max(1, ...data.events.map(event => event.peak_score)).toFixed(1);
for (const id of ["suppressed", "lost", "least"]) $(id).addEventListener("input", showCards);
$("refused").addEventListener("input", showTracks);
document.addEventListener("keydown", key => {
  if (key.ctrlKey || key.metaKey || key.altKey || key.target.tagName === "INPUT") return;
  const starts = data.events.filter(isShown).map(event => event.start_s);
  const step = 1 / data.fps, later = starts.find(s => s > now + 0.05);
  const earlier = starts.filter(s => s < now - 0.05).pop();
  if (key.key === " " && video && !["A", "BUTTON", "VIDEO"].includes(key.target.tagName)) {
    if (video.paused) video.play(); else video.pause();
  } else if (key.key === "ArrowRight") seek(now + 5);
  else if (key.key === "ArrowLeft") seek(now - 5);
  else if (key.key === ".") seek(now + step);
  else if (key.key === ",") seek(now - step);
  else if (key.key === "n" && later !== undefined) seek(later);
  else if (key.key === "p" && earlier !== undefined) seek(earlier);
  else return;
  key.preventDefault();
});
showCards(); showTracks();
"""
