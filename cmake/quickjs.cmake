# The `quickjs` target: a system libquickjs where there is one, else the static library that
# tools/quickjs.sh builds from Debian's source package, once per flavour, in the user's cache.
find_path(QUICKJS_SYSTEM_INCLUDE quickjs.h PATH_SUFFIXES quickjs)
find_library(QUICKJS_SYSTEM_LIBRARY NAMES quickjs PATH_SUFFIXES quickjs)

add_library(quickjs INTERFACE)
if(QUICKJS_SYSTEM_INCLUDE AND QUICKJS_SYSTEM_LIBRARY AND NOT GALE_SANITIZE)
    message(STATUS "QuickJS: the system's ${QUICKJS_SYSTEM_LIBRARY}")
    set(quickjs_include ${QUICKJS_SYSTEM_INCLUDE})
    set(quickjs_library ${QUICKJS_SYSTEM_LIBRARY})
else()
    set(flavour release)
    if(GALE_SANITIZE)
        set(flavour ${GALE_SANITIZE})
    endif()
    execute_process(
        COMMAND ${CMAKE_COMMAND} -E env CC=${CMAKE_C_COMPILER}
                ${PROJECT_SOURCE_DIR}/tools/quickjs.sh ${flavour}
        OUTPUT_VARIABLE quickjs_dir OUTPUT_STRIP_TRAILING_WHITESPACE
        COMMAND_ERROR_IS_FATAL ANY)
    message(STATUS "QuickJS: ${quickjs_dir}")
    set(quickjs_include ${quickjs_dir}/include)
    set(quickjs_library ${quickjs_dir}/libquickjs.a)
endif()
target_include_directories(quickjs SYSTEM INTERFACE ${quickjs_include})
target_link_libraries(quickjs INTERFACE ${quickjs_library} m Threads::Threads)
