// Put into every page before its own scripts: counts what it has under way, so that one can wait until it is at rest.
"use strict";

(() => {
  const PERIODIC = 2000; // ms; a timer that waits longer goes on for ever, and never comes here: pages hold still
  const own = { setTimeout: window.setTimeout, clearTimeout: window.clearTimeout, fetch: window.fetch };
  const underWay = new Map();

  function begin(what) {
    const one = Symbol(what);
    underWay.set(one, what);
    return () => underWay.delete(one);
  }

  const timers = new Map();
  function end(timer) {
    timers.get(timer)?.();
    timers.delete(timer);
  }
  window.setTimeout = (act, delay = 0, ...given) => {
    if (delay >= PERIODIC) return 0;
    const timer = own.setTimeout.call(window, () => { end(timer); act(...given); }, delay);
    timers.set(timer, begin(`a timer of ${delay} ms`));
    return timer;
  };
  window.clearTimeout = (timer) => { end(timer); own.clearTimeout.call(window, timer); };

  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function counted(...given) {
    this.addEventListener("loadend", begin("a request"), { once: true });
    return send.apply(this, given);
  };
  window.fetch = (...given) => own.fetch.apply(window, given).finally(begin("a request"));
  ["arrayBuffer", "blob", "json", "text"].forEach((name) => {
    const read = Response.prototype[name];
    Response.prototype[name] = function counted() { return read.call(this).finally(begin("an answer")); };
  });

  // A form goes to a frame, or the page is left: then its successor is the one to wait for.
  function sent(form) {
    const frame = form.target && document.querySelector(`iframe[name="${CSS.escape(form.target)}"]`);
    const done = begin(frame ? "a frame" : "a form that was sent");
    if (frame) frame.addEventListener("load", done, { once: true });
  }
  const { submit } = HTMLFormElement.prototype;
  HTMLFormElement.prototype.submit = function counted() { sent(this); submit.call(this); };
  window.addEventListener("submit", (event) => {
    if (!event.defaultPrevented && event.target.method !== "dialog") sent(event.target);
  });
  window.navigation.addEventListener("navigate", (event) => {
    if (event.destination.sameDocument || event.downloadRequest !== null) return;
    window.navigation.addEventListener("navigateerror", begin("a link that was followed"), { once: true });
  });

  function moving(width) {
    const animations = document.getAnimations().filter(
      (each) => each.playState === "running" && each.effect.getComputedTiming().endTime !== Infinity,
    );
    return [
      ...underWay.values(),
      ...animations.map((each) => `the animation ${each.transitionProperty || each.animationName}`),
      ...(document.readyState === "complete" ? [] : ["the page itself"]),
      ...(document.fonts.status === "loaded" ? [] : ["fonts"]),
      ...[...document.images].filter((image) => !image.complete).map((image) => `the picture ${image.src}`),
      ...(window.innerWidth === width ? [] : [`its width, ${window.innerWidth} on the way to ${width}`]),
    ];
  }

  // Two frames in a row: what one frame tells the page, such as a new size, has its effect by the next.
  window.atRest = async (width, limit) => {
    const until = performance.now() + limit;
    for (let frames = 0; frames < 2; frames += 1) {
      await new Promise((resolve) => { window.requestAnimationFrame(resolve); });
      const still = moving(width);
      if (still.length) frames = -1;
      if (performance.now() > until) throw new Error(`not at rest: ${still.join(", ")}`);
    }
  };
})();
