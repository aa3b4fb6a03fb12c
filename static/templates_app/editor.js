// The editor of a notification template: macros at the caret, the frame of an HTML message, and the place in the text.
"use strict";

(() => {
  const list = document.createElement("ul");
  list.className = "completions";
  list.id = "completions";
  list.setAttribute("role", "listbox");
  list.hidden = true;
  (document.querySelector(".editor") || document.body).append(list);
  let known = null;
  let field = null;
  let begin = 0;
  let items = [];
  let at = 0;

  // Asked for once, when the first macro is begun.
  function load() {
    const address = document.getElementById("template-form").dataset.macros;
    known ||= fetch(address, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : { names: [], functions: [] }));
    return known;
  }

  // What is being typed: a name after "${", a function after "|"; null outside a macro.
  function typed(input) {
    const before = input.value.slice(0, input.selectionStart);
    const opened = before.lastIndexOf("${");
    if (opened < 0 || before.indexOf("}", opened) >= 0) return null;
    const inside = before.slice(opened + 2);
    const pipe = /\|\s*(\w*)$/.exec(inside);
    if (pipe) return { word: pipe[1], kind: "functions" };
    return /^[\w.]*$/.test(inside) ? { word: inside, kind: "names" } : null;
  }

  function close() {
    list.hidden = true;
    if (!field) return;
    ["aria-controls", "aria-activedescendant"].forEach((name) => field.removeAttribute(name));
    field = null;
  }

  function mark(index) {
    at = (index + items.length) % items.length;
    [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === at)));
    field.setAttribute("aria-activedescendant", list.children[at].id);
  }

  // A copy of the box, as wide and in the same type, tells where the caret stands.
  function place(input) {
    const copy = document.createElement("div");
    const style = window.getComputedStyle(input);
    ["font", "letterSpacing", "padding", "borderWidth", "borderStyle", "boxSizing", "width", "lineHeight"].forEach(
      (name) => { copy.style[name] = style[name]; },
    );
    Object.assign(copy.style, { position: "absolute", visibility: "hidden", overflowWrap: "break-word" });
    copy.style.whiteSpace = input.tagName === "TEXTAREA" ? "pre-wrap" : "pre";
    copy.textContent = input.value.slice(0, begin);
    const caret = document.createElement("span");
    caret.textContent = "\u200b";
    copy.append(caret);
    document.body.append(copy);
    const box = input.getBoundingClientRect();
    const around = list.offsetParent.getBoundingClientRect();
    const left = box.left - around.left + caret.offsetLeft - input.scrollLeft;
    const top = box.top - around.top + caret.offsetTop - input.scrollTop + caret.offsetHeight;
    copy.remove();
    list.style.left = `${Math.max(0, Math.min(left, around.width - list.offsetWidth))}px`;
    list.style.top = `${top + 4}px`;
  }

  async function suggest(input) {
    if (!typed(input)) { close(); return; }
    const every = await load();
    const now = typed(input);
    if (!now) { close(); return; }
    const word = now.word.toLowerCase();
    const fits = every[now.kind].filter((item) => item.text.toLowerCase().includes(word));
    fits.sort((one, two) => two.text.toLowerCase().startsWith(word) - one.text.toLowerCase().startsWith(word));
    items = fits.slice(0, 8);
    if (!items.length || document.activeElement !== input) { close(); return; }
    field = input;
    begin = input.selectionStart - now.word.length;
    list.replaceChildren(...items.map((item, index) => {
      const line = document.createElement("li");
      line.id = `completion-${index}`;
      line.setAttribute("role", "option");
      const name = document.createElement("code");
      name.textContent = item.text;
      const meaning = document.createElement("span");
      meaning.textContent = item.meaning;
      line.append(name, meaning);
      return line;
    }));
    list.setAttribute("aria-label", input.labels[0]?.textContent.trim() || "");
    list.hidden = false;
    input.setAttribute("aria-controls", list.id);
    mark(0);
    place(input);
  }

  function take(index) {
    const input = field;
    const end = input.selectionStart;
    const isName = typed(input)?.kind === "names";
    const closing = isName && input.value[end] !== "}" ? "}" : "";
    input.setRangeText(items[index].text + closing, begin, end, "end");
    close();
    input.focus();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-macros]:not(form)")) suggest(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (!field || list.hidden) return;
    const acts = {
      ArrowDown: () => mark(at + 1),
      ArrowUp: () => mark(at - 1),
      Enter: () => take(at),
      Tab: () => take(at),
      Escape: close,
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
  list.addEventListener("mousedown", (event) => {
    const line = event.target.closest("li");
    if (!line) return;
    event.preventDefault();
    take([...list.children].indexOf(line));
  });
  document.addEventListener("focusout", (event) => { if (event.target === field) close(); });

  // The list of macros beside the form: Alt+M goes there and back; what is chosen stands at the caret.
  const panel = document.getElementById("macros");
  const found = () => [...panel.querySelectorAll(".macro")].filter((each) => !each.closest("[hidden]"));
  let last = null;
  let wanted = false;

  function box() {
    return last?.isConnected ? last : document.querySelector("#template-form textarea[data-macros]");
  }

  // The text that stands for a choice at the caret, from where it begins, and how far before its end the caret goes.
  function fitted(input, text, kind) {
    const start = input.selectionStart;
    const now = typed(input);
    const before = input.value.slice(0, start);
    if (now && kind === "names") return [start - now.word.length, `${text}${input.value[start] === "}" ? "" : "}"}`, 0];
    if (now?.kind === "functions") return [start - now.word.length, text, 0];
    if (now) return [start, ` | ${text}`, 0];
    if (kind === "names") return [start, `\${${text}}`, 0];
    if (/\$\{[^{}]*\}$/.test(before)) return [start - 1, ` | ${text}`, -1];
    return [start, `\${ | ${text}}`, text.length + 4];
  }

  function insert(button) {
    const input = box();
    const [from, text, back] = fitted(input, button.dataset.macro, button.dataset.kind);
    const until = Math.max(from, back < 0 ? from : input.selectionEnd);
    input.focus();
    input.setRangeText(text, from, until, "end");
    input.selectionStart -= back;
    input.selectionEnd = input.selectionStart;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function narrow(search) {
    const words = search.value.trim().toLowerCase();
    panel.querySelectorAll(".macro").forEach((each) => { each.hidden = !each.textContent.toLowerCase().includes(words); });
    panel.querySelectorAll("section").forEach((each) => { each.hidden = !each.querySelector(".macro:not([hidden])"); });
  }

  function openMacros() {
    panel.open = true;
    const search = panel.querySelector("input");
    wanted = !search;
    if (search) search.focus();
  }

  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-macros]:not(form)")) last = event.target;
  });
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.code !== "KeyM") return;
    event.preventDefault();
    close();
    if (panel.contains(document.activeElement)) box().focus();
    else openMacros();
  });
  panel.addEventListener("htmx:afterSwap", () => { if (wanted) openMacros(); });
  panel.addEventListener("input", (event) => narrow(event.target));
  panel.addEventListener("click", (event) => {
    const button = event.target.closest(".macro");
    if (button) insert(button);
  });
  panel.addEventListener("keydown", (event) => {
    const shown = found();
    const place = shown.indexOf(document.activeElement);
    if (event.key === "Escape") box().focus();
    else if (event.key === "ArrowDown") shown[Math.min(place + 1, shown.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (shown[place - 1] || panel.querySelector("input"))?.focus();
    else if (event.key === "Enter" && event.target.matches("input")) shown[0]?.click();
    else return;
    event.preventDefault();
  });

  // A save comes back to the same place: the caret, what is seen, and for whom the preview is.
  const KEPT = "editor";
  const here = location.pathname.replace(/test\/$/, "");
  const chosen = () => [...document.querySelectorAll("#preview-inputs :is(input, select)[id]")];
  document.getElementById("template-form").addEventListener("submit", () => {
    sessionStorage.setItem(KEPT, JSON.stringify({
      here,
      top: window.scrollY,
      box: last?.id,
      caret: last?.selectionStart,
      chosen: chosen().map((each) => [each.id, each.value]),
    }));
  });
  // What was refused is not saved yet.
  const form = document.getElementById("template-form");
  if (form.querySelector("[aria-invalid=true]") || document.querySelector("[role=alert], .trial [aria-invalid=true]")) dirty.add(form);
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  sessionStorage.removeItem(KEPT);
  if (kept?.here === here) {
    kept.chosen.forEach(([id, value]) => { const input = document.getElementById(id); if (input) input.value = value; });
    document.addEventListener("DOMContentLoaded", () => {
      if (document.querySelector("[aria-invalid=true], [role=alert]")) return;
      last = document.getElementById(kept.box);
      if (last) {
        last.focus({ preventScroll: true });
        last.setSelectionRange(kept.caret, kept.caret);
      }
      window.scrollTo(0, kept.top);
      document.querySelector("[autofocus]")?.focus();
    });
  }

  window.addEventListener("resize", () => { if (field) place(field); });

  // What the preview finds in a field that was refused stands there in place of what the refusal said.
  function followRefusal(field) {
    const wrong = field.querySelector(".lint .is-error");
    const refusal = field.querySelector(".error");
    if (refusal && !wrong) return;
    const input = field.querySelector("[aria-invalid], [data-refused]");
    if (refusal) {
      const others = input.getAttribute("aria-describedby").split(" ").filter((id) => id !== refusal.id);
      input.setAttribute("aria-describedby", others.join(" "));
      input.dataset.refused = "";
      refusal.remove();
    }
    field.classList.toggle("has-error", Boolean(wrong));
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id !== "preview") return;
    document.querySelectorAll(".field:has(.error), .field:has([data-refused])").forEach(followRefusal);
    const source = document.getElementById("html-source");
    document.getElementById("html-shown").hidden = !source;
    if (source) source.submit();
  });
})();
