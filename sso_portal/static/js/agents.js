// Tick all, and how many are ticked. The list may be swapped by htmx at any time, so everything listens from above.
const list = document.getElementById("agents-found");

function update() {
  const all = list.querySelector("[data-tick-all]");
  if (!all) return;
  const boxes = [...list.querySelectorAll("input[name='agents']")];
  const ticked = boxes.filter((box) => box.checked).length;
  all.hidden = false;
  all.checked = ticked > 0 && ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
  const told = list.querySelector("[data-ticked]");
  const words = ticked === 1 ? told.dataset.one : told.dataset.many.replace("#", ticked);
  told.textContent = ticked ? words : "";
}

// The export is of what the search finds now.
document.body.addEventListener("htmx:pushedIntoHistory", () => {
  const link = document.querySelector("a[data-export]");
  if (link) link.search = window.location.search;
});

if (list) {
  list.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]")) {
      for (const box of list.querySelectorAll("input[name='agents']")) box.checked = event.target.checked;
    }
    update();
  });
  list.addEventListener("htmx:afterSwap", update);
  window.addEventListener("pageshow", update);
  update();
}
