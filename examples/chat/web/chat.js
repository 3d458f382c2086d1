"use strict";

// The page of the chat. Events to the server: "add user" (name), "new message" (text), "typing", "stop typing".
// Events from it: "login" {numUsers}, "user joined" and "user left" {username, numUsers},
// "new message" {username, message}, "typing" and "stop typing" {username}.

const typingPause = 1500; // milliseconds without a key after which "stop typing" is sent

const $ = (id) => document.getElementById(id);

if (typeof io === "undefined") {
  $("no-client").hidden = false;
  $("login").hidden = true;
} else {
  $("login").addEventListener("submit", (submission) => {
    submission.preventDefault();
    const name = $("name").value.trim();
    if (name) join(name);
  });
}

function join(name) {
  $("welcome").hidden = true;
  $("chat").hidden = false;
  $("text").focus();

  const socket = io();
  const typists = new Set();
  let typingUntil = 0; // timer that will say "stop typing"

  socket.on("connect", () => {
    status("Connected");
    socket.emit("add user", name); // after a reconnection too: to the server it is a new socket
  });
  socket.on("disconnect", () => {
    status("Connection lost, trying again…", true);
    typists.clear();
    showTypists(typists);
  });
  socket.on("connect_error", () => status("No connection, trying again…", true));

  socket.on("login", ({ numUsers }) => {
    note(`Welcome, ${name}.`);
    people(numUsers);
  });
  socket.on("user joined", ({ username, numUsers }) => {
    note(`${username} joined`);
    people(numUsers);
  });
  socket.on("user left", ({ username, numUsers }) => {
    note(`${username} left`);
    people(numUsers);
    typists.delete(username);
    showTypists(typists);
  });
  socket.on("new message", ({ username, message }) => {
    show(username, message);
    typists.delete(username);
    showTypists(typists);
  });
  socket.on("typing", ({ username }) => {
    typists.add(username);
    showTypists(typists);
  });
  socket.on("stop typing", ({ username }) => {
    typists.delete(username);
    showTypists(typists);
  });

  const stopTyping = () => {
    if (!typingUntil) return;
    clearTimeout(typingUntil);
    typingUntil = 0;
    socket.emit("stop typing");
  };
  $("text").addEventListener("input", () => {
    if (!socket.connected) return;
    if (!typingUntil) socket.emit("typing");
    clearTimeout(typingUntil);
    typingUntil = setTimeout(stopTyping, typingPause);
  });
  $("compose").addEventListener("submit", (submission) => {
    submission.preventDefault();
    const text = $("text").value.trim();
    if (!text || !socket.connected) return; // what cannot be sent stays in the field
    $("text").value = "";
    stopTyping();
    show(name, text, true);
    socket.emit("new message", text);
  });
}

function status(text, lost = false) {
  $("connection").textContent = text;
  $("connection").classList.toggle("lost", lost);
}

function people(count) {
  $("people").textContent = count === 1 ? "1 person here" : `${count} people here`;
}

function showTypists(names) {
  const list = [...names];
  $("typing").textContent =
    list.length === 0 ? "" :
    list.length === 1 ? `${list[0]} is typing…` :
    list.length < 4 ? `${list.slice(0, -1).join(", ")} and ${list.at(-1)} are typing…` :
    "Several people are typing…";
}

function note(text) {
  const item = document.createElement("li");
  item.className = "note";
  item.textContent = text;
  append(item);
}

function show(username, message, mine = false) {
  const item = document.createElement("li");
  item.className = mine ? "message mine" : "message";
  const author = document.createElement("span");
  author.className = mine ? "author aside" : "author"; // one's own name is for screen readers only
  author.style.setProperty("--hue", hue(username));
  author.textContent = username;
  const body = document.createElement("span");
  body.className = "body";
  body.textContent = message;
  item.append(author, body);
  append(item);
}

/** Adds to the log, which follows its end unless the reader has scrolled up. */
function append(item) {
  const log = $("log");
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(item);
  if (following || item.classList.contains("mine")) log.scrollTop = log.scrollHeight;
}

/** A colour for a name: always the same one, in degrees. */
function hue(name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 3600;
  return hash % 360;
}
