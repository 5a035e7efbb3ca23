// The live page of a run that makes pictures: microphone or song -> blocks -> pictures, by the
// sound device's clock.

import { Scope } from "./draw.js";
import { Ear } from "./ear.js";
import { Knobs } from "./knobs.js";
import { Meter } from "./meter.js";
import { Microphone, noMicrophone } from "./microphone.js";
import { PictureStream } from "./picture_stream.js";
import { at, awake, dozing, ms, pressed, state, trouble } from "./shell.js";
import { Show } from "./show.js";
import { Song } from "./song.js";
import { tickStart } from "./ticks.js";

const REPORT_MS = 2000;
const SHOW_MS = 500;
const DRAW_MS = 30;
const EARLY_SECS = 0.008; // half of what most screens show a picture for
const TOO_LATE = 0.1; // of a song's pictures: with more, it had better be heard later
const HUSHED_SECS = 4;
const HUSHED = "No sound comes from the microphone. Is it muted? Else choose another one.";
const APART = ["mute", "freeze"]; // knobs that have a button of their own

const page = {
  meter: new Meter(),
  scope: new Scope({ spectrum: at("spectrum"), spectrogram: at("spectrogram") }),
  microphone: new Microphone(() => stop("The microphone has gone. Connect it, then press Start again.")),
  song: new Song(at("song"), (why) => stop(why)),
  show: new Show(at("picture")),
  knobs: new Knobs(at("knobs"), (name, value) => turned(name, value)),
  ear: null,
  wants: "", // what the player has started: "microphone", "song" or ""
  sent: new Map(), // first block of a message -> when it went
  drawn: 0,
  begun: false, // the server has a stream of this page
  count: { came: 0, late: 0, shown: 0 },
};

page.stream = new PictureStream({
  hello: welcome,
  picture: takePicture,
  note: ({ text }) => trouble(text),
  refused: (why) => {
    state("refused", "Not let in");
    stop(why);
  },
  gone: (why, pauseMs) => {
    const soon = pauseMs >= 1000 ? ` Trying again every ${Math.round(pauseMs / 1000)} s.` : "";
    state("gone", "Reconnecting");
    trouble(`${why ? `${why}.` : "The server has gone."}${soon}`);
    page.ear?.end();
  },
});

async function welcome(hello) {
  at("run").textContent = hello.run;
  page.show.begin(hello);
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches && !page.knobs.values.size) {
    page.knobs.values.set("flash_limit", 1); // whatever the server begins with
  }
  page.knobs.build(hello.knobs, APART);
  showButtons();
  // After a stop the line still tells why.
  if (document.body.dataset.state !== "ready") trouble(noMicrophone());
  if (page.wants && page.ear && page.ear.rate === hello.sample_rate && page.ear.block === hello.block) {
    await play();
    return;
  }
  if (page.wants) await stop("Another run plays here now: start again.", false);
  ready();
}

function ready() {
  state("ready", "Ready");
  at("start").disabled = at("choose").disabled = false;
  if (page.refocus) at(page.refocus).focus();
  page.refocus = "";
}

/** Begin with "microphone", or with "song": the one that was chosen. */
async function start(what) {
  if (page.wants || !page.stream.hello) return;
  page.wants = what;
  at("start").disabled = at("choose").disabled = true;
  trouble("");
  state("starting", "Starting");
  try {
    // The device first: it must follow the click, and the microphone may ask a question.
    page.ear = await Ear.open(page.stream.hello, heard);
    if (what === "song") {
      page.ear.play(page.song.open());
      await page.song.play();
    } else {
      await openMicrophone("");
    }
    if (!page.wants) return; // stopped meanwhile
    await play();
    at("stop").focus();
  } catch (error) {
    await stop(error.message);
  }
}

async function openMicrophone(id) {
  const media = await page.microphone.open(id);
  if (!media || !page.ear) return;
  page.ear.take(media);
  const all = await page.microphone.list();
  const options = all.map(({ id: value, name, isUsed }) => new Option(name, value, isUsed, isUsed));
  at("microphones").replaceChildren(...options);
  at("microphone-choice").hidden = all.length < 2;
}

async function play() {
  const { hello } = page.stream;
  if (!hello || !page.ear) return; // it begins when the server is back
  document.body.dataset.heard = page.wants;
  page.show.begin(hello);
  page.sent.clear();
  page.begun = true;
  page.ear.begin();
  hearKnobs();
  state("playing", "Playing");
  trouble("");
  showButtons();
  await awake();
}

async function stop(why = "", again = true) {
  const what = page.wants;
  page.wants = "";
  page.microphone.close();
  page.song.close();
  at("microphone-choice").hidden = true;
  const ear = page.ear;
  page.ear = null;
  full(false);
  await ear?.close();
  await dozing();
  page.scope.clear();
  showButtons();
  trouble(why);
  if (document.body.dataset.state === "refused") return;
  page.refocus = what === "song" ? "choose" : "start";
  const { begun } = page;
  page.begun = false;
  if (!page.stream.hello || !again) return;
  if (!begun) {
    ready();
    return;
  }
  state("ready", "Ready");
  page.stream.restart(); // what was begun there has an end too
}

/** Blocks of sound: they go at once, but where the line is too slow for them. */
function heard({ first, sound }) {
  const { stream, sent } = page;
  if (!stream.hello || (first && stream.isBehind)) return;
  stream.hear(first, sound, page.wants === "song");
  sent.set(first, performance.now());
  if (sent.size > 512) sent.delete(sent.keys().next().value);
  page.together = sound.length / stream.hello.block;
}

function startOf(number) {
  const { sample_rate: rate, frame_rate: frameRate } = page.stream.hello;
  return tickStart(number, rate, frameRate);
}

function takePicture(picture) {
  const { ear, count, stream, show } = page;
  if (!ear || ear.beganSecs === null) return;
  const { hello } = stream;
  const late = page.wants === "song" ? hello.late : 0;
  const block = Math.max(0, Math.floor((startOf(picture.number) + late) / hello.block) - 1);
  page.meter.trip(performance.now() - page.sent.get(block - (block % page.together)));
  count.came += 1;
  if (ear.delaySecs && ear.secsOf(startOf(picture.number)) < ear.nowSecs) count.late += 1;
  show.take(picture).catch(() => null); // one that cannot be read is as good as none
}

/** A microphone's pictures are shown as they come; a song's with the sound that they are of. */
function isDue(number) {
  const { ear } = page;
  return !ear.delaySecs || ear.secsOf(startOf(number)) <= ear.nowSecs + EARLY_SECS;
}

function draw(now) {
  requestAnimationFrame(draw);
  const { ear, show, stream } = page;
  if (!ear) return;
  const number = ear.beganSecs === null || !stream.hello ? -1 : show.draw(isDue);
  if (number >= 0) {
    const waitedMs = 1000 * (ear.nowSecs - ear.secsOf(startOf(number)));
    page.count.shown += 1;
    page.meter.add("total", Math.max(0, waitedMs));
    page.meter.add("offset", Math.max(0, waitedMs + (ear.delaySecs ? 0 : stream.hello.latency_ms)));
  }
  if (now - page.drawn < DRAW_MS) return;
  page.drawn = now;
  page.scope.draw(ear.analyser);
}

function turned(name, value) {
  page.stream.turn(name, value);
  if (name === "freeze") page.show.came = -1; // what is not made then is not left out
  hearKnobs();
  showButtons();
}

/** A song is heard as loud as the knobs say. */
function hearKnobs() {
  const { values } = page.knobs;
  if (page.ear) page.ear.loudness = (1 - (values.get("mute") ?? 0)) * 10 ** ((values.get("gain_db") ?? 0) / 20);
}

function showButtons() {
  for (const name of APART) pressed(name, page.knobs.values.get(name));
}

/** Fill the screen with the picture, or the window where the browser knows no better. */
function full(wanted) {
  document.body.classList.toggle("full", wanted);
  if (wanted) {
    at("stage").requestFullscreen?.().catch(() => null);
    at("leave").focus();
  } else {
    if (document.fullscreenElement) document.exitFullscreen().catch(() => null);
    if (page.wants) at("full").focus();
  }
}

function showFigures() {
  const { latency, trip50, trip95 } = page.meter.figures;
  const { count, ear, show } = page;
  at("latency").textContent = ms(latency);
  at("round-trip").textContent = trip50 === null ? "–" : `${ms(trip50)} / ${ms(trip95)}`;
  at("rate").textContent = ear ? ((1000 * count.shown) / SHOW_MS).toFixed(0) : "–";
  at("left-out").textContent = String(show.leftOut);
  count.shown = 0;
  if (ear && page.wants === "microphone") hush(ear.silentSecs > HUSHED_SECS);
}

/** Say so when nothing comes in, and take it back when something does. */
function hush(isHushed) {
  if (isHushed && at("trouble").hidden) trouble(HUSHED);
  if (!isHushed && at("trouble").textContent === HUSHED) trouble("");
}

at("start").addEventListener("click", () => start("microphone"));
at("choose").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  page.song.file = file;
  target.value = ""; // so that the same one can be chosen again
  start("song");
});
at("stop").addEventListener("click", () => stop());
at("restore").addEventListener("click", () => page.knobs.restore());
at("full").addEventListener("click", () => full(true));
at("leave").addEventListener("click", () => full(false));
at("microphones").addEventListener("change", ({ target }) => openMicrophone(target.value).catch((error) => stop(error.message)));
for (const name of APART) at(name).addEventListener("click", () => page.knobs.turn(name, page.knobs.values.get(name) ? 0 : 1));
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && document.body.classList.contains("full")) full(false);
});
document.addEventListener("fullscreenchange", () => {
  if (!document.fullscreenElement) full(false);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !page.wants) return;
  page.ear?.context.resume().catch(() => null);
  awake();
});
setInterval(showFigures, SHOW_MS);
setInterval(() => {
  const { ear, count, show } = page;
  if (!ear) return;
  page.stream.report(show.leftOut, page.meter.told());
  if (count.late > TOO_LATE * count.came) ear.wait();
  count.came = count.late = 0;
}, REPORT_MS);
requestAnimationFrame(draw);
page.stream.connect();
