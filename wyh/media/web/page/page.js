// The live page: camera -> pictures for each frame tick -> sound, by the sound device's clock.

import { Camera, noCamera } from "./camera.js";
import { Pictures, Scope } from "./draw.js";
import { Fitter } from "./fit.js";
import { Knobs } from "./knobs.js";
import { Meter } from "./meter.js";
import { at, awake, dozing, ms, pressed, state, trouble } from "./shell.js";
import { Sound } from "./sound.js";
import { Stream } from "./stream.js";
import { frameTickAt, tickStart } from "./ticks.js";

const REPORT_MS = 2000;
const SHOW_MS = 500;
const DRAW_MS = 30;
const APART = ["mute", "freeze"]; // knobs that have a button of their own

const page = {
  meter: new Meter(),
  scope: new Scope({ spectrum: at("spectrum"), spectrogram: at("spectrogram"), code: at("code") }),
  camera: new Camera(at("camera"), () => stop("The camera has gone. Connect it, then press Start again.")),
  knobs: new Knobs(at("knobs"), (name, value) => turned(name, value)),
  sound: null,
  wants: false, // the player has pressed Start
  tick: -1, // the newest frame tick that was sent
  drawn: 0,
};

page.stream = new Stream({
  hello: welcome,
  sound: takeSound,
  seen: takeSeen,
  note: ({ text }) => trouble(text),
  refused: (why) => {
    state("refused", "Not let in");
    page.tick = -1; // nothing to begin anew: the token is of another day
    stop(why);
  },
  gone: (why, pauseMs) => {
    const soon = pauseMs >= 1000 ? ` Trying again every ${Math.round(pauseMs / 1000)} s.` : "";
    state("gone", "Reconnecting");
    trouble(`${why ? `${why}.` : "The server has gone."}${soon}`);
    page.sound?.end();
  },
});

async function welcome(hello) {
  page.frameRate = hello.frame_rate[0] / hello.frame_rate[1];
  document.documentElement.style.setProperty("--ratio", String(hello.width / hello.height));
  document.body.dataset.fit = hello.fit;
  document.body.dataset.source = hello.source ? "server" : "own";
  at("known-side").hidden = !hello.insight;
  at("code-side").hidden = !hello.insight;
  at("run").textContent = hello.run;
  page.fitter = new Fitter(hello);
  page.pictures = new Pictures(hello);
  page.knobs.build(hello.knobs, APART);
  showButtons();
  // After a stop the line still tells why.
  if (document.body.dataset.state !== "ready") trouble(hello.source ? "" : noCamera());
  if (!page.wants) {
    state("ready", "Ready");
    at("start").disabled = false;
    if (page.refocus) at("start").focus();
    page.refocus = false;
    return;
  }
  if (page.sound && (page.sound.rate !== hello.sample_rate || page.sound.channels !== hello.audio_channels)) {
    await closeSound(); // another run plays there now
  }
  await play();
}

async function start() {
  page.wants = true;
  at("start").disabled = true;
  trouble("");
  state("starting", "Starting");
  try {
    // The device first: it must follow the click, and the camera may ask a question.
    await openSound();
    if (!page.stream.hello?.source) await openCamera("");
    if (!page.wants) return; // stopped meanwhile
    await play();
    at("stop").focus();
  } catch (error) {
    await stop(error.message);
  }
}

async function openSound() {
  page.sound ??= await Sound.open(page.stream.hello, asked);
}

async function closeSound() {
  const sound = page.sound;
  page.sound = null;
  await sound?.close();
}

async function openCamera(id) {
  await page.camera.open(id, page.frameRate);
  const cameras = await page.camera.list();
  const options = cameras.map(({ id: value, name, isUsed }) => new Option(name, value, isUsed, isUsed));
  at("cameras").replaceChildren(...options);
  at("camera-choice").hidden = cameras.length < 2;
}

async function play() {
  if (!page.stream.hello) return; // it begins when the server is back
  await openSound();
  page.tick = -1;
  page.sound.begin();
  page.sound.mute(page.knobs.values.get("mute") > 0);
  state("playing", "Playing");
  trouble("");
  showButtons();
  await awake();
}

async function stop(why = "") {
  page.wants = false;
  page.camera.close();
  await closeSound();
  await dozing();
  page.scope.clear();
  if (page.stream.hello) state("ready", "Ready");
  at("start").disabled = !page.stream.hello || page.tick >= 0;
  showButtons();
  trouble(why);
  if (page.tick >= 0) page.stream.restart();
  page.tick = -1;
  page.refocus = at("start").disabled; // then as soon as it can be pressed again
  at("start").focus();
}

/** The device runs low: look at the camera first if a tick is due, then ask for sound. */
function asked({ blocks, position, fill, played, underruns }) {
  const { stream, sound } = page;
  const hello = stream.hello;
  if (!hello || !sound) return;
  sound.underruns = underruns;
  const last = position + (blocks - 1) * hello.block;
  const due = page.tick < 0 ? 0 : frameTickAt(last, hello.sample_rate, hello.frame_rate);
  if (due > page.tick && (page.tick < 0 || !stream.isBehind)) look(due, position, played);
  stream.pull(blocks, fill);
}

function look(tick, position, played) {
  const { camera, stream, meter, sound } = page;
  const hello = stream.hello;
  if (hello.source) {
    stream.frame(tick, null);
  } else if (camera.isReady) {
    const { video } = camera;
    stream.frame(tick, page.fitter.take(video, video.videoWidth, video.videoHeight));
  } else {
    return;
  }
  page.tick = tick;
  const begin = tickStart(tick, hello.sample_rate, hello.frame_rate);
  const first = Math.max(position, Math.ceil(begin / hello.block) * hello.block);
  const msOf = (samples) => (1000 * samples) / hello.sample_rate;
  const ahead = msOf(first - played) + sound.deviceMs;
  const centre = hello.latency_ms - msOf(first - begin);
  meter.add("device", sound.deviceMs);
  page.newest = { tick, ahead, centre };
  const taken = camera.taken;
  // A picture that was seen before, or a page that is hidden, tells nothing about the camera.
  if (!taken || taken === page.lastTaken) return;
  page.lastTaken = taken;
  const waited = performance.now() - taken.here;
  meter.add("grab", taken.here - taken.since);
  meter.add("wait", waited);
  measured(taken.here - taken.since + waited + ahead, centre);
}

/** From a picture to the sound that first knows of it, and to that sound's centre. */
function measured(total, centre) {
  page.meter.add("total", total);
  page.meter.add("offset", total + centre);
}

function takeSound(samples) {
  if (!page.sound) return;
  page.meter.add("ring", (1000 * page.sound.fill) / page.sound.rate);
  page.sound.take(samples);
}

function takeSeen({ tick, code, known, picture, roundTripMs, waitedMs }) {
  page.meter.trip(roundTripMs);
  if (waitedMs > 0 && page.newest?.tick === tick) {
    page.meter.add("wait", waitedMs);
    measured(waitedMs + page.newest.ahead, page.newest.centre);
  }
  if (known) page.pictures.show(at("known"), known);
  if (picture) page.pictures.show(at("source"), picture);
  if (code) page.code = code;
}

function turned(name, value) {
  page.stream.turn(name, value);
  if (name === "mute") page.sound?.mute(value > 0);
  showButtons();
}

function flip(name) {
  page.knobs.turn(name, page.knobs.values.get(name) ? 0 : 1);
}

function showButtons() {
  const { values } = page.knobs;
  for (const name of APART) pressed(name, values.get(name));
  document.body.classList.toggle("muted", Boolean(values.get("mute")));
}

function draw(now) {
  requestAnimationFrame(draw);
  // Half as often as most screens: the time is better spent on pictures and sound.
  if (!page.sound || now - page.drawn < DRAW_MS) return;
  page.drawn = now;
  page.scope.draw(page.sound.analyser);
  if (page.code) page.scope.drawCode(page.code);
  page.code = null;
}

function showFigures() {
  const { latency, trip50, trip95 } = page.meter.figures;
  at("latency").textContent = ms(latency);
  at("round-trip").textContent = trip50 === null ? "–" : `${ms(trip50)} / ${ms(trip95)}`;
  at("buffer").textContent = page.sound ? ms(page.sound.bufferMs) : "–";
  at("underruns").textContent = String(page.sound?.underruns ?? 0);
}

at("start").addEventListener("click", start);
at("stop").addEventListener("click", () => stop());
at("restore").addEventListener("click", () => page.knobs.restore());
at("cameras").addEventListener("change", ({ target }) => openCamera(target.value).catch((error) => stop(error.message)));
for (const name of APART) at(name).addEventListener("click", () => flip(name));
document.addEventListener("visibilitychange", () => {
  // The system takes a wake lock back when the page is hidden.
  if (document.hidden || !page.wants) return;
  page.sound?.context.resume().catch(() => null); // and some a sound
  awake();
});
setInterval(showFigures, SHOW_MS);
setInterval(() => {
  if (page.sound) page.stream.report(page.sound.underruns, page.meter.told());
}, REPORT_MS);
requestAnimationFrame(draw);
page.stream.connect();
