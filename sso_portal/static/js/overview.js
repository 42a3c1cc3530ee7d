// The part of the page that renews itself: nobody's place in it is lost.
const now = document.getElementById("now");
let open = [];

// Not while nobody looks, nor while somebody marks text in it.
now?.addEventListener("htmx:beforeRequest", (event) => {
  const marked = window.getSelection();
  const isMarking = marked && !marked.isCollapsed && now.contains(marked.anchorNode);
  if (document.hidden || isMarking) event.preventDefault();
});

// Tables that were opened stay open.
now?.addEventListener("htmx:beforeSwap", () => {
  open = [...now.querySelectorAll("details[open]")].map((details) => details.id);
});
now?.addEventListener("htmx:afterSwap", () => {
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
});
