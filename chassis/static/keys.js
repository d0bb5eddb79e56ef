// Keyboard shortcuts, declared by pages in HTML: an element with data-key="c" is clicked, or focused if it is a field.
// "g t" is one key after the other, "x,d" either of two. Keys of a row (in a tr or [data-row]) act on the one that has
// the focus; j and k go through the rows. The dialog lists what the page declares, and switches the keys off.
"use strict";

(() => {
  const dialog = document.getElementById("keys");
  const opener = document.querySelector("[data-keys-open]");
  if (!dialog || !opener) return;
  const ROW = "main tbody tr, main [data-row]";
  const FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";
  const FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const PATIENCE_MS = 1500;
  const OFF = "ates_keys=off";
  const toggle = dialog.querySelector("[data-keys-switch]");
  const main = document.getElementById("content");
  let first = null;
  let forget = 0;

  // A cookie, for the services are one site to a person and several to a browser's storage.
  const isOff = () => document.cookie.split("; ").includes(OFF);
  function switchTo(on) {
    document.cookie = `${on ? "ates_keys=on" : OFF}; path=/; max-age=31536000; samesite=lax`;
  }

  const ways = (element) => element.dataset.key.split(",");
  const declared = () => [...document.querySelectorAll("[data-key]")];

  function chosen(keys) {
    const all = declared().filter((element) => ways(element).includes(keys));
    const row = document.activeElement?.closest(ROW);
    const ofRow = all.filter((element) => element.closest(ROW));
    if (!ofRow.length) return all[0];
    return ofRow.find((element) => element.closest(ROW) === row);
  }

  function act(element) {
    if (element.matches(FIELDS)) {
      element.focus();
      element.select?.();
    } else {
      element.click();
    }
  }

  function step(by) {
    const rows = [...document.querySelectorAll(ROW)].filter((row) => row.querySelector(FOCUSABLE));
    const at = rows.indexOf(document.activeElement?.closest(ROW));
    const next = rows[at < 0 ? (by > 0 ? 0 : -1) : at + by];
    next?.querySelector(FOCUSABLE).focus();
    return Boolean(next);
  }

  // The letter on the key: with a Russian layout `c` is typed as `с` or `ы`, and on the same key of the keyboard.
  function letter(event) {
    if (/^[\x21-\x7e]$/.test(event.key)) return event.key === "." && event.code === "Slash" ? "/" : event.key.toLowerCase();
    return /^Key[A-Z]$/.test(event.code) ? event.code.slice(3).toLowerCase() : event.key;
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target.closest?.(FIELDS) || dialog.open || isOff()) return;
    const key = letter(event);
    const keys = first === null ? key : `${first} ${key}`;
    first = null;
    clearTimeout(forget);
    if (key === "?") {
      show();
    } else if (keys === "j" || keys === "k") {
      if (!step(keys === "j" ? 1 : -1)) return;
    } else {
      const element = chosen(keys);
      if (element) {
        act(element);
      } else if (declared().some((other) => ways(other).some((way) => way.startsWith(`${keys} `)))) {
        first = keys;
        forget = setTimeout(() => { first = null; }, PATIENCE_MS);
      } else {
        return;
      }
    }
    event.preventDefault();
  });

  function line(keys, text) {
    const entry = document.createElement("div");
    const term = document.createElement("dt");
    keys.split(/[ ,]/).forEach((key, place) => {
      if (place) term.append(" ");
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap);
    });
    const meaning = document.createElement("dd");
    meaning.textContent = text;
    entry.append(term, meaning);
    return entry;
  }

  function show() {
    const list = dialog.querySelector("[data-keys-list]");
    const known = new Map();
    for (const element of declared()) {
      const text = element.dataset.keyText || element.getAttribute("aria-label") || element.textContent;
      if (!known.has(element.dataset.key)) known.set(element.dataset.key, text.trim().replace(/\s+/g, " "));
    }
    list.replaceChildren(...[...known].map(([keys, text]) => line(keys, text)));
    if (document.querySelector("main tbody tr a, main tbody tr button, main [data-row]")) list.append(line("j,k", list.dataset.rows));
    list.append(line("?", list.dataset.this));
    toggle.checked = !isOff();
    dialog.showModal();
  }

  opener.hidden = false;
  opener.addEventListener("click", show);
  toggle.addEventListener("change", () => switchTo(toggle.checked));
  dialog.addEventListener("close", () => keep());

  // The focus never falls back to the body, where a keyboard would have to begin anew.
  function keep() {
    if (document.activeElement === document.body || document.activeElement === null) main.focus({ preventScroll: true });
  }

  let lost = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    const had = document.activeElement;
    if (!target?.contains(had) || had === document.body) return;
    lost = { id: had.id, within: target.id, place: [...target.querySelectorAll(FOCUSABLE)].indexOf(had) };
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (lost === null) return;
    const was = lost;
    lost = null;
    if (document.activeElement !== document.body && document.activeElement !== null) return;
    const part = document.getElementById(was.within);
    const rest = part ? [...part.querySelectorAll(FOCUSABLE)] : [];
    const next = (was.id && document.getElementById(was.id)) || rest[Math.min(was.place, rest.length - 1)];
    (next ?? main).focus({ preventScroll: true });
    keep();
  });
})();
