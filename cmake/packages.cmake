# Libraries from the system, by pkg-config, and QuickJS (cmake/quickjs.cmake).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

function(package name)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${ARGN})
endfunction()

package(openssl openssl>=3.0)
package(cares libcares)
package(nghttp2 libnghttp2)
package(zlib zlib)
package(brotli libbrotlienc libbrotlidec)
package(zstd libzstd)
package(archive libarchive)
package(jansson jansson)
package(microhttpd libmicrohttpd)
package(sqlite sqlite3>=3.38)
package(nats libnats)
package(protobufc libprotobuf-c)

find_program(PROTOC_C NAMES protoc-c REQUIRED)

# gumbo, snappy and wslay ship no usable .pc file everywhere; each is one library and one header.
find_library(GUMBO_LIBRARY gumbo REQUIRED)
find_library(SNAPPY_LIBRARY snappy REQUIRED)
find_library(WSLAY_LIBRARY wslay REQUIRED)

include(cmake/quickjs.cmake)
