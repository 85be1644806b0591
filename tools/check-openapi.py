#!/usr/bin/env python3
"""Holds docs/api/openapi.yaml to itself: references resolve, every operation says its role, every
answer has an example, and every example, those of server-sent events too, is what its schema says.
And src/api/routes.def to it: each operation is there with its path, its least role, whether share
tokens open it, and what it takes.

Prints what is wrong, a line each, and exits 1."""
import json
import pathlib
import re
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "docs/api/openapi.yaml"
ROUTES = ROOT / "src/api/routes.def"
ROUTE = re.compile(r'^ROUTE\((\w+), "([^"]+)", (\w+), (\w+), ([^,]+), (\w+)\)$', re.M)
METHODS = ("get", "put", "post", "patch", "delete")
ROLES = ("none", "viewer", "runner", "admin")


class Loader(yaml.SafeLoader):
    """YAML with dates left as text."""


Loader.yaml_implicit_resolvers = {
    key: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Checker:
    def __init__(self, document):
        self.document = document
        self.broken = []
        self.examples = 0
        self.used = set()

    def say(self, where, what):
        self.broken.append(f"openapi.yaml: {where}: {what}")

    def follow(self, node, where):
        """What a node stands for: itself, or what its $ref points to."""
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            self.used.add(node["$ref"])
            for part in node["$ref"].removeprefix("#/").split("/"):
                if part not in target:
                    self.say(where, f"{node['$ref']} does not exist")
                    return {}
                target = target[part]
            node = target
        return node

    def note_refs(self, node, where):
        """All references under a node resolve."""
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                self.follow({"$ref": node["$ref"]}, where)
            for key, value in node.items():
                self.note_refs(value, f"{where}/{key}")
        elif isinstance(node, list):
            for value in node:
                self.note_refs(value, where)

    def validate(self, value, schema, where):
        self.examples += 1
        whole = {"components": self.document["components"], "allOf": [schema]}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            best = jsonschema.exceptions.best_match([error])
            self.say(where, f"example: {best.json_path}: {best.message[:300]}")

    def events(self, text, schemas, where):
        """An event stream's text: each event's data is what its schema says."""
        seen = set()
        for block in text.strip().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if "event" not in fields:
                continue
            seen.add(fields["event"])
            if fields["event"] not in schemas:
                self.say(where, f"event '{fields['event']}' is not in x-events")
                continue
            self.validate(json.loads(fields["data"]), schemas[fields["event"]],
                          f"{where}: {fields['event']}")
        if "snapshot" not in seen or "window" not in seen:
            self.say(where, "the example shows no snapshot or no window")

    def media(self, content, where, needs_example):
        for kind, media in content.items():
            place = f"{where} {kind}"
            schema = media.get("schema")
            if schema is None:
                self.say(place, "has no schema")
                continue
            values = [e["value"] for e in media.get("examples", {}).values()]
            if "example" in media:
                values.append(media["example"])
            if not values and needs_example and schema.get("format") != "binary":
                self.say(place, "has no example")
            for value in values:
                self.validate(value, schema, place)
                if "x-events" in media:
                    self.events(value, media["x-events"], place)

    def parameters(self, path, item, operation, where):
        names = set()
        for node in item.get("parameters", []) + operation.get("parameters", []):
            parameter = self.follow(node, where)
            names.add(parameter.get("name"))
            if "example" in parameter:
                self.validate(parameter["example"], parameter["schema"],
                              f"{where}: parameter {parameter['name']}")
        for part in path.split("/"):
            if part.startswith("{") and part[1:-1] not in names:
                self.say(where, f"{part} is not among the parameters")

    def operation(self, path, method, item, ids):
        operation = item[method]
        where = f"{method.upper()} {path}"
        tags = {tag["name"] for tag in self.document["tags"]}

        if operation.get("operationId") in ids or "operationId" not in operation:
            self.say(where, "operationId is missing or taken")
        ids.add(operation.get("operationId"))
        if operation.get("x-role") not in ROLES:
            self.say(where, "x-role is none of " + ", ".join(ROLES))
        if (operation.get("x-role") == "none") != (operation.get("security") == []):
            self.say(where, "x-role none and 'security: []' go together")
        if not set(operation.get("tags", [])) <= tags or not operation.get("tags"):
            self.say(where, "needs a tag that is declared")
        if not operation.get("summary"):
            self.say(where, "has no summary")
        if operation["x-role"] != "none" and "401" not in operation["responses"]:
            self.say(where, "has no answer 401")
        if operation["x-role"] in ("runner", "admin") and "403" not in operation["responses"]:
            self.say(where, "has no answer 403")
        self.parameters(path, item, operation, where)
        if "requestBody" in operation:
            self.media(operation["requestBody"]["content"], f"{where}: body", False)
        for status, node in operation["responses"].items():
            answer = self.follow(node, where)
            if "description" not in answer:
                self.say(f"{where} {status}", "has no description")
            self.media(answer.get("content", {}), f"{where} {status}", True)

    def run(self):
        ids = set()
        self.note_refs(self.document, "")
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    self.operation(path, method, item, ids)
        for kind in ("schemas", "responses", "parameters"):
            for name, node in self.document["components"][kind].items():
                if f"#/components/{kind}/{name}" not in self.used:
                    self.say(f"components/{kind}/{name}", "nothing refers to it")
                if kind == "schemas":
                    jsonschema.Draft202012Validator.check_schema(node)
        return len(ids)


def takes_upload(operation):
    content = operation.get("requestBody", {}).get("content", {})
    return any(kind != "application/json" for kind in content) or \
        operation["operationId"] == "createTest"  # whose JSON has the script in it


def expected(document):
    """By operation: its line of routes.def, without the handler."""
    routes = {}
    for path, item in document["paths"].items():
        base = item.get("servers", document["servers"])[0]["url"].rstrip("/")
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            flags = []
            if operation.get("x-share"):
                flags.append("SHARE")
            if {"$ref": "#/components/parameters/IdempotencyKey"} in operation.get("parameters", []):
                flags.append("CREATES")
            if takes_upload(operation):
                flags.append("UPLOAD")
            if operation.get("x-local"):
                flags.append("LOCAL")
            routes[operation["operationId"]] = (method.upper(), base + path,
                                                operation["x-role"].upper(),
                                                " | ".join(flags) or "0")
    return routes


def check_routes(document):
    """What is wrong with routes.def."""
    text = ROUTES.read_text(encoding="utf-8")
    wanted = expected(document)
    broken = []
    seen = set()
    for method, path, operation, role, flags, _ in ROUTE.findall(text):
        seen.add(operation)
        got = (method, path, role, flags)
        if wanted.get(operation) != got:
            broken.append(f"routes.def: {operation} is {got}, and in openapi.yaml "
                          f"{wanted.get(operation, 'not at all')}")
    lines = [line for line in text.splitlines() if line.startswith("ROUTE(")]
    if len(lines) != len(seen):
        broken.append(f"routes.def: {len(lines)} routes of {len(seen)} operations: each once, on a line")
    missing = set(wanted) - seen
    if missing:
        broken.append("routes.def: these have no route: " + ", ".join(sorted(missing)))
    return broken


def main():
    document = yaml.load(FILE.read_text(encoding="utf-8"), Loader)
    checker = Checker(document)
    operations = checker.run()
    broken = check_routes(document)
    if checker.broken or broken:
        print("\n".join(checker.broken + broken))
        return 1
    print(f"openapi: {operations} operations, {checker.examples} examples keep to their schemas")
    return 0


if __name__ == "__main__":
    sys.exit(main())
