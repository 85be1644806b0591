#!/usr/bin/env python3
"""The dashboard's files as C data, compressed, and the report's page as it is: gale writes into that.

    embed.py FOLDER REPORT.html OUTPUT.c
"""
import gzip
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def data(name, content, scope=""):
    rows = (content[at:at + 24] for at in range(0, len(content), 24))
    body = "\n".join("    " + ",".join(map(str, row)) + "," for row in rows)
    return f"{scope}const unsigned char {name}[] = {{\n{body}\n}};\n\n"


def main():
    folder, report, output = map(pathlib.Path, sys.argv[1:4])
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    text = ['#include "api/run_report.h"\n#include "api/static.h"\n\n']
    table = []
    for i, file in enumerate(files):
        text.append(data(f"file_{i}", gzip.compress(file.read_bytes(), 9, mtime=0), "static "))
        table.append(f'    {{"/{file.relative_to(folder).as_posix()}", "{TYPES[file.suffix]}", '
                     f"file_{i}, sizeof file_{i}}},\n")
    text.append("const struct static_file static_files[] = {\n" + "".join(table) + "};\n")
    text.append(f"const size_t static_file_count = {len(files)};\n\n")
    text.append(data("report_page", report.read_bytes()))
    text.append("const size_t report_page_size = sizeof report_page;\n")
    output.write_text("".join(text))


main()
