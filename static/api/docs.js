"use strict";

// Lists the operations of the OpenAPI document and sends requests with the key typed in.
(() => {
  const make = (tag, text = "", properties = {}) => Object.assign(document.createElement(tag), { textContent: text, ...properties });

  const resolve = (schema, components) => schema.$ref ? components[schema.$ref.split("/").pop()] : schema;

  const sample = (schema, components, level = 0) => {
    const own = resolve(schema, components);
    if (level > 4) return null;
    if ("default" in own && own.default !== null) return own.default;
    if (own.anyOf) return sample(own.anyOf.find((each) => each.type !== "null") || own.anyOf[0], components, level);
    if (own.const) return own.const;
    if (own.enum) return own.enum[0];
    if (own.type === "array") return [sample(own.items || {}, components, level + 1)];
    if (own.type === "object" || own.properties) {
      const names = Object.keys(own.properties || {});
      return Object.fromEntries(names.map((name) => [name, sample(own.properties[name], components, level + 1)]));
    }
    return { string: "", integer: 0, number: 0, boolean: false }[own.type] ?? null;
  };

  const mediaType = (content) => "application/json" in content ? "application/json" : Object.keys(content)[0];

  const send = async (operation, form, output) => {
    let where = operation.base + operation.path;
    const query = new URLSearchParams();
    const headers = { Authorization: `Bearer ${document.getElementById("key").value.trim()}` };
    for (const field of form.querySelectorAll("input")) {
      if (!field.value) continue;
      if (field.dataset.in === "path") where = where.replace(`{${field.name}}`, encodeURIComponent(field.value));
      if (field.dataset.in === "query") query.set(field.name, field.value);
      if (field.dataset.in === "header") headers[field.name] = field.value;
    }
    const body = form.querySelector("textarea");
    if (body) headers["Content-Type"] = mediaType(operation.requestBody.content);
    if (query.size) where += `?${query}`;
    output.textContent = "...";
    try {
      const answer = await fetch(where, { method: operation.method.toUpperCase(), headers, body: body ? body.value : undefined });
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
      output.textContent = `${answer.status} ${answer.statusText}\n${shown}`;
    } catch (error) {
      output.textContent = String(error);
    }
  };

  const field = (parameter, id) => {
    const label = make("label", `${parameter.name} (${parameter.in})`, { htmlFor: id });
    const input = make("input", "", { id, name: parameter.name, required: parameter.required });
    input.dataset.in = parameter.in;
    return [label, input];
  };

  const show = (operation, components) => {
    const box = make("details");
    const head = make("summary");
    head.append(make("b", operation.method.toUpperCase()), make("code", operation.path), make("span", operation.summary));
    const id = operation.operationId;
    const form = make("form", "", { id: `${id}-form` });
    for (const parameter of operation.parameters) form.append(...field(parameter, `${id}-${parameter.in}-${parameter.name}`));
    if (operation.requestBody) {
      const json = operation.requestBody.content["application/json"];
      const value = json ? JSON.stringify(sample(json.schema, components), null, 2) : "";
      form.append(make("label", "Body", { htmlFor: `${id}-body` }), make("textarea", "", { id: `${id}-body`, value, spellcheck: false }));
    }
    form.append(make("button", "Send", { type: "submit" }));
    const output = make("pre", "", { id: `${id}-answer`, tabIndex: 0 });
    output.setAttribute("role", "status");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(operation, form, output);
    });
    const inside = make("div");
    inside.append(make("p", operation.description || ""), form, output);
    box.append(head, inside);
    return box;
  };

  const start = async () => {
    const list = document.getElementById("operations");
    document.getElementById("sign-in").addEventListener("submit", (event) => event.preventDefault());
    const spec = await (await fetch(document.body.dataset.openapi)).json();
    document.getElementById("about").textContent = spec.info.description;
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        list.append(show({ ...operation, method, path, base: spec.servers[0].url }, spec.components.schemas));
      }
    }
    list.setAttribute("aria-busy", "false");
  };

  start();
})();
