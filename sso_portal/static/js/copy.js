// Copy buttons. They stay hidden without script; the text beside them can be selected by hand.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]");
  if (!source || !label) continue;
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
        copied = document.execCommand("copy");
      }
    }
    label.textContent = copied ? button.dataset.done : button.dataset.failed;
    window.setTimeout(() => { label.textContent = usual; }, 2500);
  });
}

for (const input of document.querySelectorAll("input[data-select-all]")) {
  input.addEventListener("focus", () => input.select());
}
