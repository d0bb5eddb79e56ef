// A form is sent once: its button is busy until the answer is there. Without it the form works as well.
"use strict";

(() => {
  function busy(form, button) {
    form.dataset.busy = "";
    button?.setAttribute("aria-busy", "true");
    button?.setAttribute("aria-disabled", "true"); // `disabled` would take the focus away, and the button's own value
  }

  function idle(form) {
    delete form.dataset.busy;
    form.querySelectorAll("[aria-busy]").forEach((button) => {
      button.removeAttribute("aria-busy");
      button.removeAttribute("aria-disabled");
    });
  }

  const submitOf = (form) => form.querySelector("button[type=submit], button:not([type])");

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog") return;
    if ("busy" in form.dataset) {
      event.preventDefault();
    } else if (!event.defaultPrevented) { // what htmx sends is told by its own events
      busy(form, event.submitter ?? submitOf(form));
    }
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt;
    if (form.tagName !== "FORM") return;
    if ("busy" in form.dataset) {
      event.preventDefault();
    } else {
      busy(form, event.detail.requestConfig?.triggeringEvent?.submitter ?? submitOf(form));
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt.tagName === "FORM") idle(event.detail.elt);
  });

  // Back shows the page as it was left.
  window.addEventListener("pageshow", () => document.querySelectorAll("[data-busy]").forEach(idle));
})();
