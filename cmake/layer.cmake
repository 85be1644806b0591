# layer(NAME SOURCES file... LINK library...): one static library per folder of src/.
#
# A layer sees only the layers and packages that LINK names, so the picture in ARCHITECTURE.md is
# also what the linker knows; tools/check-layers.py holds includes to the same rule.
function(layer name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC gale_flags ${ARG_LINK})
endfunction()
