// Adds a live camera to the sign-in form, and shrinks photos before they are sent. Without it the form works as well.
"use strict";

(() => {
  const LONGEST_SIDE = 1280;
  const form = document.querySelector("[data-beak-form]");
  if (!form) return;
  const inputs = form.querySelectorAll("input[type=file]");
  const texts = form.dataset;

  function put(input, blob) {
    const files = new DataTransfer();
    files.items.add(new File([blob], "beak.jpg", { type: "image/jpeg" }));
    input.files = files.files;
  }

  function shrunk(source, width, height) {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }

  async function shrink(input) {
    const file = input.files[0];
    if (!file || file.size < 1500000) return;
    try {
      const picture = await createImageBitmap(file);
      put(input, await shrunk(picture, picture.width, picture.height));
    } catch {
      // Not a picture that the browser can read: the server will say what is wrong with it.
    }
  }
  inputs.forEach((input) => input.addEventListener("change", () => shrink(input)));

  if (!navigator.mediaDevices?.getUserMedia) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "secondary";
  button.textContent = texts.camera;
  form.querySelector(".actions").append(button);

  let stream = null;
  const video = document.createElement("video");
  video.autoplay = video.muted = video.playsInline = true;
  video.setAttribute("aria-label", texts.view);

  button.addEventListener("click", async () => {
    if (stream) {
      put(inputs[0], await shrunk(video, video.videoWidth, video.videoHeight));
      stream.getTracks().forEach((track) => track.stop());
      form.requestSubmit();
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, facingMode: "user" } });
    } catch {
      const notice = document.createElement("p");
      notice.className = "notice warn";
      notice.setAttribute("role", "alert");
      notice.textContent = texts.denied;
      button.replaceWith(notice);
      return;
    }
    const view = document.createElement("div");
    view.className = "camera";
    video.srcObject = stream;
    view.append(video);
    form.querySelector(".actions").before(view);
    button.textContent = texts.shoot;
  });
})();
