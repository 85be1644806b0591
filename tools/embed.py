#!/usr/bin/env python3
"""Files of a folder as C data, compressed: embed.py FOLDER OUTPUT.c"""
import gzip
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def main():
    folder, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    text = ['#include "api/static.h"\n\n']
    table = []
    for i, file in enumerate(files):
        data = gzip.compress(file.read_bytes(), 9, mtime=0)
        rows = (data[at:at + 24] for at in range(0, len(data), 24))
        body = "\n".join("    " + ",".join(map(str, row)) + "," for row in rows)
        text.append(f"static const unsigned char file_{i}[] = {{\n{body}\n}};\n\n")
        table.append(f'    {{"/{file.relative_to(folder).as_posix()}", "{TYPES[file.suffix]}", '
                     f"file_{i}, sizeof file_{i}}},\n")
    text.append("const struct static_file static_files[] = {\n" + "".join(table) + "};\n")
    text.append(f"const size_t static_file_count = {len(files)};\n")
    output.write_text("".join(text))


main()
