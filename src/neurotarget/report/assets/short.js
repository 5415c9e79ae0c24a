(function () {
  "use strict";

  // what matters most, on screen and on paper; report.html#short begins so
  const root = document.documentElement, button = document.getElementById("short");

  function show(isShort) {
    root.classList.toggle("short", isShort);
    button.setAttribute("aria-pressed", String(isShort));
  }

  button.addEventListener("click", () => show(!root.classList.contains("short")));
  show(location.hash === "#short");
})();
