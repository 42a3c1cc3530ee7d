// A colour picker beside the colour's text field, which stays what is sent.
const text = document.querySelector("input[data-colour]");
if (text) {
  const row = document.createElement("div");
  row.className = "colour";
  const picker = document.createElement("input");
  picker.type = "color";
  picker.value = text.dataset.colour;
  picker.setAttribute("aria-label", document.querySelector(`label[for="${text.id}"]`).firstChild.textContent.trim());
  const show = () => {
    if (/^#[0-9a-f]{6}$/i.test(text.value)) picker.value = text.value;
  };
  text.before(row);
  row.append(text, picker);
  text.addEventListener("input", show);
  picker.addEventListener("input", () => { text.value = picker.value; });
  show();
}
