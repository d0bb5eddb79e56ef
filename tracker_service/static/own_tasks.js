// The page of one's own tasks: what came of "Done" stays in its row, and the focus goes on to the next one.
(() => {
  "use strict";

  function rowOf(element) {
    return element.closest("#open-list tr");
  }

  function tell(cell, text, kind) {
    const line = document.createElement("p");
    line.className = `outcome ${kind}`;
    line.textContent = text;
    cell.replaceChildren(line);
  }

  function announce(cell) {
    document.getElementById("told").textContent = cell.textContent.trim();
  }

  // The button below, or the one above; the heading of the list if none is left.
  function goOnFrom(row) {
    const rows = [...row.parentElement.rows];
    const here = rows.indexOf(row);
    const around = [...rows.slice(here + 1), ...rows.slice(0, here).reverse()];
    const next = around.map((one) => one.querySelector("button")).find(Boolean) || document.getElementById("open");
    next.focus({ preventScroll: true });
  }

  // Refusals of a click are one line in the row, too. What is no refusal, such as a server that is away, leaves the button.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (!rowOf(target)) return;
    event.detail.shouldSwap = xhr.status < 500 && xhr.responseText.includes('class="outcome');
    if (!event.detail.shouldSwap) noAnswer(target);
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (rowOf(event.detail.target)) noAnswer(event.detail.target);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const row = rowOf(event.detail.target);
    if (!row) return;
    announce(event.detail.target);
    goOnFrom(row);
  });

  function noAnswer(cell) {
    const line = document.createElement("p");
    line.className = "outcome warn";
    line.textContent = document.getElementById("open-list").dataset.noAnswer;
    cell.querySelector(".outcome")?.remove();
    cell.append(line);
    announce(cell);
  }

  // Rows do not vanish under a finger: what has gone says so until the page is loaded anew.
  document.addEventListener("live:gone", (event) => {
    const gone = event.target;
    if (gone.id === "open-list") {
      for (const row of gone.querySelectorAll("tbody tr")) markGone(row);
    } else if (rowOf(gone)) {
      markGone(gone);
    } else {
      return;
    }
    event.preventDefault();
  });

  function markGone(row) {
    const button = row.querySelector("button");
    if (!button) return;
    const hadFocus = document.activeElement === button;
    row.classList.add("gone");
    tell(button.closest("td"), document.getElementById("open-list").dataset.gone, "warn");
    if (hadFocus) goOnFrom(row);
  }

  // After a while elsewhere nobody is in the middle of the list.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const row of document.querySelectorAll("#open-list .gone")) {
      if (row.contains(document.activeElement)) goOnFrom(row);
      row.remove();
    }
  });

  for (const box of document.querySelectorAll("details.drop")) {
    const enter = () => box.open && (box.querySelector("[aria-invalid]") ?? box.querySelector("input:not([type=hidden])"))?.focus();
    box.addEventListener("toggle", enter);
    enter(); // it came open: with faults, or by a link to what is in it
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.open) return;
      box.open = false;
      box.querySelector("summary").focus();
    });
  }
})();
