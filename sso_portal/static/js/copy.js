// Copy buttons. They stay hidden without script; the text beside them can be selected by hand.
function prepare(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]");
  if (!source || !label) return;
  const usual = label.textContent;
  button.hidden = false;

  button.addEventListener("click", async () => {
    const text = "value" in source ? source.value : source.textContent.trim();
    let copied = false;
    try {
      await navigator.clipboard.writeText(text);
      copied = true;
    } catch {
      if ("select" in source) {
        source.select();
      } else {
        window.getSelection().selectAllChildren(source);
      }
      copied = document.execCommand("copy");
    }
    label.textContent = copied ? button.dataset.done : button.dataset.failed;
    window.setTimeout(() => { label.textContent = usual; }, 2500);
  });
}

// What htmx brings later is prepared too.
function prepareAll() {
  document.querySelectorAll("button[data-copy][hidden]").forEach(prepare);
}
prepareAll();
document.addEventListener("htmx:load", prepareAll);

document.addEventListener("focusin", (event) => {
  if (event.target.matches("input[data-select-all]")) event.target.select();
});
