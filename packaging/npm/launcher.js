#!/usr/bin/env node
// Starts the program that came with the package for this system, and gets out of the way.
"use strict";

const fs = require("node:fs");
const { spawn } = require("node:child_process");

const name = `@mcp-tether/${process.platform}-${process.arch}`;

function fail(text) {
  process.stderr.write(`mcp-tether: ${text}\n`);
  process.exit(1);
}

function find() {
  const file = process.platform === "win32" ? "mcp-tether.exe" : "mcp-tether";
  try {
    return require.resolve(`${name}/${file}`);
  } catch {
    const known = Object.keys(require("./package.json").optionalDependencies);
    return fail(
      known.includes(name)
        ? `the package ${name} is not installed; install mcp-tether again without --omit=optional, ` +
            "on the system that it is to run on"
        : `there is no program for ${process.platform}-${process.arch}; it can be built from source`,
    );
  }
}

const program = find();
const args = process.argv.slice(2);

if (process.execve && process.platform !== "win32") {
  // From Node.js 22.15 on: the program takes the place of this process.
  try {
    fs.accessSync(program, fs.constants.X_OK);
    process.execve(program, [program, ...args], process.env);
  } catch (error) {
    fail(`${program} cannot be started: ${error.message}`);
  }
}

const child = spawn(program, args, { stdio: "inherit", windowsHide: true });
child.on("error", (error) => fail(`${program} cannot be started: ${error.message}`));
// A terminal sends Ctrl-C to both processes, and the program decides what it means.
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK"];
for (const signal of forwarded) {
  try {
    process.on(signal, () => child.kill(signal));
  } catch {
    // Unknown to this system.
  }
}
child.on("exit", (code, signal) => {
  if (signal) {
    for (const one of forwarded) process.removeAllListeners(one);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
