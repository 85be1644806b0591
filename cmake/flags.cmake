# What every file of gale is compiled with.
add_library(gale_flags INTERFACE)

target_compile_options(gale_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wundef -Wformat=2 -Wcast-qual
    -fno-common -fno-omit-frame-pointer -fvisibility=hidden>)
target_compile_definitions(gale_flags INTERFACE _GNU_SOURCE GALE_VERSION="${PROJECT_VERSION}")
target_include_directories(gale_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/gen)

if(GALE_WERROR)
    target_compile_options(gale_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror>)
endif()

if(GALE_SANITIZE STREQUAL "address")
    target_compile_options(gale_flags INTERFACE -fsanitize=address,undefined
        -fno-sanitize-recover=undefined)
    target_link_options(gale_flags INTERFACE -fsanitize=address,undefined)
elseif(GALE_SANITIZE STREQUAL "thread")
    target_compile_options(gale_flags INTERFACE -fsanitize=thread)
    target_link_options(gale_flags INTERFACE -fsanitize=thread)
elseif(GALE_SANITIZE)
    message(FATAL_ERROR "GALE_SANITIZE is '${GALE_SANITIZE}': use address, thread, or nothing")
endif()

if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    # _FORTIFY_SOURCE needs optimisation; -fno-plt and hidden symbols keep calls direct.
    target_compile_options(gale_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-D_FORTIFY_SOURCE=2
        -fstack-protector-strong -fno-plt>)
endif()

if(GALE_FUZZ)
    target_compile_options(gale_flags INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(gale_flags INTERFACE -fsanitize=address,undefined)
endif()
