// Behaviour of the console's pages. Everything here is comfort: each page also works without it.
"use strict";

const words = () => document.getElementById("words").dataset;

function announce(text) {
  const region = document.getElementById("announce");
  region.textContent = "";
  window.setTimeout(() => { region.textContent = text; }, 60);
}

// The server tells times in the zone that the browser is in, unless the profile names another one.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `time_zone=${zone};path=/;max-age=31536000;samesite=lax${location.protocol === "https:" ? ";secure" : ""}`;

function showProblem(text, link) {
  const line = document.createElement("p");
  line.className = "message is-error";
  line.textContent = text;
  if (link) {
    const anchor = Object.assign(document.createElement("a"), { href: link.url, target: "_blank", textContent: link.text });
    line.append(" ", anchor);
  }
  document.getElementById("messages").replaceChildren(line);
  announce(text);
}

// Menus: <details class="menu">; arrows walk, Escape and a click elsewhere close.
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest("details.menu");
  if (!menu) return;
  const items = [...menu.querySelectorAll(".menu-items a, .menu-items button")];
  const at = items.indexOf(document.activeElement);
  if (event.key === "Escape" && menu.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    menu.open = true;
    const step = event.key === "ArrowDown" ? 1 : -1;
    const next = at < 0 && step < 0 ? items.length - 1 : (at + step + items.length) % items.length;
    items[next].focus();
  }
});
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest("details.menu");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

// The dialog: whatever htmx puts into #modal-body opens it; data-close closes it.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "modal-body") return;
  const modal = document.getElementById("modal");
  if (!modal.open) modal.showModal();
  else (modal.querySelector("[aria-invalid=true], [autofocus]") || modal.querySelector("input:not([type=hidden]), .btn"))?.focus();
});
document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-close]");
  const modal = document.getElementById("modal");
  if (closer && modal.open && modal.contains(closer)) {
    event.preventDefault();
    modal.close();
  }
});

// Rows with data-show-when="name" (a switch that is on), "!name" (off) or "name=one,two" (a choice).
function holds(form, condition) {
  return condition.split(" ").every((part) => {
    const off = part.startsWith("!");
    const [name, values] = part.slice(off ? 1 : 0).split("=");
    const field = form.elements[name];
    if (!field) return true;
    return (values === undefined ? field.checked : values.split(",").includes(field.value)) !== off;
  });
}
function showRows(form) {
  form.querySelectorAll("[data-show-when]").forEach((row) => {
    const shown = holds(form, row.dataset.showWhen);
    row.hidden = !shown;
    row.querySelectorAll("input, select, textarea").forEach((input) => { input.disabled = !shown; });
  });
}

// A choice with data-port-for='{"port": "port", "ssl": 465}' sets the port while it holds one of the known defaults.
function suggestPort(select) {
  const rule = JSON.parse(select.dataset.portFor);
  const port = select.form.elements[rule.field];
  if (Object.values(rule.ports).map(String).includes(port.value) && rule.ports[select.value]) {
    port.value = rule.ports[select.value];
  }
}

// A secret with data-stored-for='{"host": "..."}' is needed again while one of these fields holds something else.
const plain = (value) => String(value).replace(/\r\n?/g, "\n").trim();
function askAgain(form) {
  form.querySelectorAll("[data-stored-for]").forEach((box) => {
    const note = document.getElementById(`${box.id}_again`);
    const differs = ([name, stored]) => {
      const field = form.elements[name];
      if (!field || field.disabled) return false;
      return plain(field.type === "checkbox" ? field.checked : field.value) !== plain(stored);
    };
    const needed = !box.disabled && !box.value && Object.entries(JSON.parse(box.dataset.storedFor)).some(differs);
    if (needed && note.hidden) announce(`${box.labels[0].textContent.trim()}: ${note.textContent.trim()}`);
    note.hidden = !needed;
  });
}

// A switch with data-needs="other" switches the other one on with itself, and goes off with it.
function keepTogether(box) {
  if (box.type !== "checkbox") return;
  const other = box.dataset.needs && box.form.elements[box.dataset.needs];
  if (other && box.checked) other.checked = true;
  if (!box.checked) box.form.querySelectorAll(`[data-needs="${CSS.escape(box.name)}"]`).forEach((needy) => { needy.checked = false; });
}

// A box with data-warns-of='{"old.example": "..."}' says what is wrong with what stands in it, while it is typed.
function warnOf(box) {
  const known = JSON.parse(box.dataset.warnsOf);
  const words = known[plain(box.value).toLowerCase().replace(/^@|\.$/g, "")] || "";
  const note = document.getElementById(`${box.id}_warns`);
  if (note.hidden === !words) return;
  note.hidden = !words;
  note.querySelector("span").textContent = words;
  if (words) announce(`${box.labels[0].textContent.trim()}: ${words}`);
}

// Forms with data-guard ask before what was typed is lost.
const dirty = new Set();
window.addEventListener("beforeunload", (event) => { if (dirty.size) event.preventDefault(); });

function readyForms(root) {
  root.querySelectorAll("form").forEach((form) => { if (form.querySelector("[data-show-when]")) showRows(form); });
}
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form) return;
  if (form.matches("[data-guard]") && !event.target.closest("[data-unguarded]")) dirty.add(form);
  keepTogether(event.target);
  if (event.target.matches("[data-warns-of]")) warnOf(event.target);
  showRows(form);
  askAgain(form);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-port-for]")) suggestPort(event.target);
  if (event.target.form) askAgain(event.target.form);
});

// A link with data-fill='{"host": "..."}' fills the form; the box named by data-focus comes next. What another one filled
// before is taken back where it still stands; the form's data-filled has by field what stood there before, and what since.
const held = (field) => field.type === "checkbox" ? field.checked : field.value;
function put(field, value) {
  if (field.type === "checkbox") field.checked = Boolean(value); else field.value = value;
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-fill]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const form = document.getElementById(link.dataset.form);
  Object.entries(JSON.parse(form.dataset.filled || "{}")).forEach(([name, [before, filled]]) => {
    const field = form.elements[name];
    if (String(held(field)) === String(filled)) put(field, before);
  });
  const fill = Object.entries(JSON.parse(link.dataset.fill));
  form.dataset.filled = JSON.stringify(Object.fromEntries(fill.map(([name, value]) => [name, [held(form.elements[name]), value]])));
  fill.forEach(([name, value]) => put(form.elements[name], value));
  document.querySelectorAll("[data-steps]").forEach((steps) => {
    steps.hidden = steps.dataset.steps !== link.dataset.key;
    if (!steps.hidden) announce(steps.querySelector("h2").textContent.trim());
  });
  showRows(form);
  askAgain(form);
  if (form.matches("[data-guard]")) dirty.add(form);
  form.elements[link.dataset.focus].focus();
});

// Enter in a box does what the button beside it does, and not what the form's own button does.
document.addEventListener("keydown", (event) => {
  const box = event.target;
  if (event.key !== "Enter" || event.isComposing || !box.matches(".inline input")) return;
  const button = [...box.closest(".inline").querySelectorAll("button")].find((each) => each.offsetParent);
  if (!button) return;
  event.preventDefault();
  button.click();
});

// A log-in in another tab makes the tokens of pages that were open before it old: the one that counts is in the cookie.
function freshToken() {
  return document.cookie.split("; ").find((one) => one.startsWith("csrftoken="))?.split("=")[1];
}

// A form goes out once: its buttons are off until the response is here.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  const token = form.elements.csrfmiddlewaretoken;
  if (token) token.value = freshToken() || token.value;
  dirty.delete(form);
  if (form.matches("[hx-post], [hx-get], [method=get]") || event.submitter?.matches("[hx-post], [data-download]")) return;
  form.dataset.sent = "yes";
  window.setTimeout(() => form.querySelectorAll("[type=submit]").forEach((button) => { button.disabled = true; }), 0);
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[type=submit]").forEach((button) => { button.disabled = false; });
  });
});

// Lists: the box in the head ticks all of the page; on a phone each cell says which column it is of.
function readyLists(root) {
  root.querySelectorAll("[data-tick]").forEach((box) => {
    box.hidden = false;
    box.nextElementSibling.hidden = true;
  });
  root.querySelectorAll("table[data-list]").forEach((table) => {
    const labels = [...table.tHead.rows[0].cells].map((cell) => cell.querySelector(".sr") ? "" : cell.textContent.trim());
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, at) => { if (cell.tagName === "TD" && labels[at]) cell.dataset.label = labels[at]; });
    }
    table.classList.add("labelled");
  });
}
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick]")) return;
  event.target.closest("table").querySelectorAll("tbody input[type=checkbox]").forEach((box) => { box.checked = event.target.checked; });
});

// Filters apply themselves; the button beside them is for pages without script.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

// On a phone the first filter stands alone, and of a long row of filters seven, until the others are asked for or in use.
const wide = matchMedia("(width > 820px)");
function readyFilters(root) {
  root.querySelectorAll(".filters .unfold").forEach((button) => {
    const fold = () => {
      const others = `:scope > div:nth-of-type(n + ${wide.matches ? 8 : 2}) :is(input, select)`;
      const folds = [...button.form.querySelectorAll(others)].every((field) => !field.value);
      button.form.classList.toggle("folded", folds);
      button.setAttribute("aria-expanded", String(!folds));
    };
    button.hidden = false;
    fold();
    wide.addEventListener("change", fold);
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", String(!button.form.classList.toggle("folded")));
    });
  });
}

// htmx: the CSRF token goes along; what fails is said.
document.addEventListener("htmx:configRequest", (event) => {
  const token = freshToken() || document.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (token) event.detail.headers["X-CSRFToken"] = token;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.xhr.responseURL.includes(words().login)) return;
  event.detail.shouldSwap = false;
  showProblem(words().ended, { url: words().login, text: words().again });
});
document.addEventListener("htmx:sendError", () => showProblem(words().lost));
document.addEventListener("htmx:responseError", () => showProblem(words().refused));
document.addEventListener("htmx:afterSettle", (event) => {
  const said = event.target.querySelector("[data-announce]") || event.target.closest("[data-announce]");
  if (said) announce(said.dataset.announce);
});
// A button that is swapped away while it has the focus gives it to the one beside, which fills the same place.
let swapped = null;
document.addEventListener("htmx:beforeRequest", (event) => {
  swapped = event.detail.target.contains(document.activeElement) ? event.detail.target : null;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target !== swapped || document.activeElement !== document.body) return;
  document.querySelector(`button[hx-target="#${CSS.escape(swapped.id)}"]`)?.focus();
});
document.addEventListener("htmx:load", (event) => readyForms(event.target.parentNode || document));

// On a phone the links of a part stand in one line that scrolls: to where the current one is seen.
function showCurrent(line) {
  const link = line.querySelector("[aria-current]");
  if (!link) return;
  const [outer, inner] = [line, link].map((element) => element.getBoundingClientRect());
  line.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}

document.addEventListener("DOMContentLoaded", () => {
  readyForms(document);
  readyLists(document);
  readyFilters(document);
  document.querySelectorAll(".side, .tabs").forEach(showCurrent);
  const said = document.getElementById("messages").textContent.trim();
  if (said) announce(said);
  const invalid = document.querySelector("form [aria-invalid=true]");
  if (invalid) invalid.focus();
});
