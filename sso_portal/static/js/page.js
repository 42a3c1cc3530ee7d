// Small comforts; every page works without them.

// The first error gets the focus. Where the form as a whole was refused, that is its first empty field.
const wrong = document.querySelector("main [aria-invalid='true']");
const refusal = document.querySelector("main form .alert--refusal");
const empty = [...(refusal?.closest("form").querySelectorAll("input:required") ?? [])].find((input) => !input.value);
if (wrong) {
  wrong.focus();
} else if (empty) {
  refusal.id ||= "form-refusal";
  empty.setAttribute("aria-describedby", `${refusal.id} ${empty.getAttribute("aria-describedby") ?? ""}`.trim());
  empty.focus();
}

// Menus close on Escape and on a click elsewhere.
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("details.menu[open]");
  closeMenus(null);
  menu?.querySelector("summary").focus();
});

// On a phone the tabs scroll: the open one is brought into view.
const tab = document.querySelector(".tabs [aria-current]");
if (tab) {
  const list = tab.closest("ul");
  list.scrollLeft = tab.offsetLeft - list.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
}

// Whoever follows a link to something folded wants it open.
function unfold() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
window.addEventListener("hashchange", unfold);
unfold();
