// Keeps a page up to date while somebody looks at it: asks for it once more, and takes over what is different.
//
//   <div data-live="/tasks?..." data-version="abc">   the address of this page, and the version of it that is shown
//     <section id="open" data-live-part> ... </section>   what is kept up to date; everything else is left alone
//   </div>
//
// It asks soon after something happened, ever more rarely while nothing does, and never while the tab is hidden.
// An element with an id stays the same element however much moves around it, so focus, scrolling and what is being typed
// stay too. Before one that has gone is taken away it gets the event "live:gone"; who prevents that keeps it on the page.
(() => {
  "use strict";
  const page = document.querySelector("[data-live]");
  if (!page) return;

  // Milliseconds between two questions.
  const AT_ONCE = 1000;
  const SOON = 3000;
  const RARELY = 30000;
  const SERVER_AWAY = 60000;
  // After so many an answer is not waited for any more.
  const PATIENCE = 20000;

  let version = page.dataset.version;
  let pause = SOON;
  let timer = 0;
  let question = null;
  let signedOut = false;

  async function ask() {
    drop();
    const asked = (question = new AbortController());
    const patience = setTimeout(() => asked.abort(), PATIENCE);
    try {
      const headers = { "Accept": "text/html", "If-None-Match": `"${version}"` };
      const answer = await fetch(page.dataset.live, { headers, cache: "no-store", redirect: "manual", signal: asked.signal });
      const text = await answer.text();
      if (asked !== question) return;
      if (answer.status === 200) {
        take(text);
        version = (answer.headers.get("ETag") || "").replaceAll('"', "");
        pause = SOON;
      } else if (answer.status === 304) {
        pause = Math.min(pause * 1.5, RARELY);
      } else if (answer.type === "opaqueredirect") {
        signedOut = true;
      } else {
        throw new Error(answer.status);
      }
    } catch {
      if (asked !== question) return;
      pause = Math.min(pause * 2, SERVER_AWAY);
    } finally {
      clearTimeout(patience);
    }
    question = null;
    plan();
  }

  function drop() {
    clearTimeout(timer);
    const asked = question;
    question = null;
    asked?.abort();
  }

  // Tabs that wait for the same server do not come back all at once.
  function plan() {
    clearTimeout(timer);
    if (!document.hidden && !signedOut) timer = setTimeout(ask, pause * (0.85 + 0.3 * Math.random()));
  }

  function hurry(milliseconds) {
    if (pause <= milliseconds) return;
    pause = milliseconds;
    if (!question) plan();
  }

  function look() {
    if (document.hidden) return drop();
    pause = SOON;
    signedOut = false; // somebody may have signed in again in another tab
    ask();
  }

  function take(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const had = document.activeElement;
    for (const part of page.querySelectorAll("[data-live-part]")) {
      const twin = fresh.getElementById(part.id);
      if (twin) become(part, twin);
    }
    // The focus never falls back to the body, where a keyboard would have to begin anew.
    const lost = had !== document.body && document.activeElement === document.body;
    if (lost) document.getElementById("content")?.focus({ preventScroll: true });
  }

  // Makes the old element say what the fresh one says, with as many of its own descendants as possible.
  function become(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (!(old instanceof Element)) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !isUpToThePerson(old, name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !isUpToThePerson(old, name)) old.setAttribute(name, value);
    }
    replaceChildren(old, fresh);
  }

  // A box that somebody opened stays open, and a form that was sent stays busy.
  function isUpToThePerson(element, attribute) {
    if (element.nodeName === "DETAILS") return attribute === "open";
    return ["data-busy", "aria-busy", "aria-disabled"].includes(attribute);
  }

  function replaceChildren(old, fresh) {
    const wanted = new Set([...fresh.children].map((child) => child.id));
    const known = new Map();
    const kept = new Set();
    for (const child of [...old.children].filter((element) => element.id)) {
      if (wanted.has(child.id)) known.set(child.id, child);
      else if (leave(child)) child.remove();
      else kept.add(child);
    }
    let place = old.firstChild;
    for (const child of [...fresh.childNodes].filter(isShown)) {
      while (place && (kept.has(place) || !isShown(place))) place = place.nextSibling;
      const same = known.get(child.id) || (isLike(place, child) ? place : null);
      if (!same) {
        old.insertBefore(child, place);
        if (child instanceof Element) window.htmx?.process(child);
        continue;
      }
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      become(same, child);
    }
    while (place) {
      const next = place.nextSibling;
      if (!kept.has(place)) place.remove();
      place = next;
    }
  }

  function isLike(old, fresh) {
    return Boolean(old) && !old.id && !fresh.id && old.nodeName === fresh.nodeName;
  }

  function isShown(node) {
    return node instanceof Element || node.nodeValue.trim() !== "";
  }

  function leave(element) {
    return element.dispatchEvent(new CustomEvent("live:gone", { bubbles: true, cancelable: true }));
  }

  document.addEventListener("visibilitychange", look);
  window.addEventListener("focus", () => hurry(AT_ONCE));
  window.addEventListener("online", look);
  window.addEventListener("pageshow", (event) => event.persisted && look());
  window.addEventListener("pagehide", drop);
  for (const act of ["pointerdown", "keydown"]) document.addEventListener(act, () => hurry(SOON), { passive: true });
  // An answer that was under way knows nothing of what is being done now.
  document.addEventListener("htmx:beforeRequest", drop);
  document.addEventListener("submit", drop);
  document.addEventListener("htmx:afterRequest", () => {
    pause = AT_ONCE;
    plan();
  });
  plan();
})();
