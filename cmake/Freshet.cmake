# How a room lists its modules, programs and suites.
#
#   freshet_need(JANSSON ZSTD)                  the libraries (cmake/Dependencies.cmake)
#
#   freshet_module(NAME <room>_<module> [PORTABLE] SOURCES a.c b.c [LINK mod1 PkgConfig::X])
#     One static library a module, its sources in the room's folder. Headers are included from
#     the root of the repository: #include "base/log.h". LINK names what its sources use; the
#     same arrows are checked by tests/arrows. PORTABLE modules (model without model/wire,
#     agent/protocol, cloud/domain) are compiled as plain C11 without any feature macro and may
#     link portable modules only; the others get _GNU_SOURCE.
#
#   freshet_program(NAME freshet-x SOURCES main.c [LINK ...])
#     A program; it lands in build/<preset>/bin.
#
#   freshet_suite(NAME <room>_<module> SOURCES test_x.c [LINK ...] [PORTABLE] [GUEST]
#                 [LABELS ...] [TIMEOUT seconds])
#     A cmocka suite that exports `int suite_<room>_<module>(void)`; tests/unit/main.c calls it.
#     Stands in tests/unit/<room>/CMakeLists.txt. ctest name <room>.<module>, label unit
#     unless LABELS says otherwise, TIMEOUT 30 unless given. cmocka and the headers of the tree
#     come by themselves. PORTABLE suites use the portable subset of cmocka and also run on the
#     small targets. GUEST: it needs a kernel of its own, and a test of tests/vm runs it there.
#
#   freshet_test(NAME room.what COMMAND program args... [LABELS integration] [TIMEOUT s]
#                [RESOURCE_LOCK name] [RUN_SERIAL])
#     Any other program as a test (integration, house): with a label and a TIMEOUT always.
#     Trees that only run the suites another way (FRESHET_TEST_TAG) leave it out.
#
#   freshet_fuzz(NAME <what> SOURCES fuzz_what.c [LINK ...] [CORPUS folder])
#     `int LLVMFuzzerTestOneInput(const uint8_t *, size_t)` over tests/fuzz/corpus/<what>: a libFuzzer
#     program in the preset fuzz, elsewhere a test (fuzz.<what>, label unit) that replays the corpus,
#     under sanitizers also 10 seconds of changed copies of it, from a fixed seed.
#
# What is not PORTABLE is skipped where there is no operating system (FRESHET_BARE), so one
# CMakeLists.txt serves every target.

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
define_property(GLOBAL PROPERTY FRESHET_LINKS
  BRIEF_DOCS "one line a target: kind, name, folder, portable or hosted, what it links")

# Built by `cmake --build ... --target suites`: the suites without the programs.
add_custom_target(suites)
add_custom_target(fuzzers)

# The flags that every target of ours gets. They are PRIVATE: flags do not travel.
function(freshet_flags target portable)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE freshet_config freshet_warnings freshet_hardening)
  if(NOT portable)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64)
  endif()
endfunction()

# Keep the arrow for tests/arrows: what the linker is told is what the test reads.
function(freshet_note kind name portable)
  set(what hosted)
  if(portable)
    set(what portable)
  endif()
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  string(REPLACE ";" " " links "${ARGN}")
  set_property(GLOBAL APPEND PROPERTY FRESHET_LINKS "${kind} ${name} ${folder} ${what} ${links}")
endfunction()

# PUBLIC between modules: a static library's own needs must reach the program's link line.
function(freshet_module)
  cmake_parse_arguments(PARSE_ARGV 0 m PORTABLE NAME "SOURCES;LINK")
  if(m_UNPARSED_ARGUMENTS OR NOT m_NAME OR NOT m_SOURCES)
    message(FATAL_ERROR "freshet_module: want NAME, SOURCES; got '${m_UNPARSED_ARGUMENTS}'")
  endif()
  if(FRESHET_BARE AND NOT m_PORTABLE)
    return()
  endif()
  add_library(${m_NAME} STATIC ${m_SOURCES})
  freshet_flags(${m_NAME} ${m_PORTABLE})
  target_link_libraries(${m_NAME} PUBLIC ${m_LINK})
  freshet_note(module ${m_NAME} ${m_PORTABLE} ${m_LINK})
endfunction()

function(freshet_program)
  cmake_parse_arguments(PARSE_ARGV 0 m "" NAME "SOURCES;LINK")
  if(m_UNPARSED_ARGUMENTS OR NOT m_NAME OR NOT m_SOURCES)
    message(FATAL_ERROR "freshet_program: want NAME, SOURCES; got '${m_UNPARSED_ARGUMENTS}'")
  endif()
  if(FRESHET_BARE)
    return()
  endif()
  add_executable(${m_NAME} ${m_SOURCES})
  freshet_flags(${m_NAME} FALSE)
  target_compile_definitions(${m_NAME} PRIVATE FRESHET_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${m_NAME} PRIVATE ${m_LINK})
  freshet_note(program ${m_NAME} FALSE ${m_LINK})
endfunction()

# <room>_<module> -> <room>.<module>, marked in trees that run the same suites another way.
function(freshet_test_name out name)
  string(REGEX REPLACE "^([a-z0-9]+)_" "\\1." dotted ${name})
  if(FRESHET_TEST_TAG)
    string(APPEND dotted "@${FRESHET_TEST_TAG}")
  endif()
  set(${out} ${dotted} PARENT_SCOPE)
endfunction()

function(freshet_suite)
  cmake_parse_arguments(PARSE_ARGV 0 s "PORTABLE;GUEST" "NAME;TIMEOUT" "SOURCES;LINK;LABELS")
  if(s_UNPARSED_ARGUMENTS OR NOT s_NAME OR NOT s_SOURCES)
    message(FATAL_ERROR "freshet_suite: want NAME, SOURCES; got '${s_UNPARSED_ARGUMENTS}'")
  endif()
  if(FRESHET_BARE AND NOT s_PORTABLE)
    return()
  endif()
  if(NOT s_TIMEOUT)
    set(s_TIMEOUT 30)
  endif()
  if(NOT s_LABELS)
    set(s_LABELS unit)
  endif()
  if(FRESHET_TEST_TAG)
    list(REMOVE_ITEM s_LABELS unit)
    list(APPEND s_LABELS ${FRESHET_TEST_TAG})
  endif()
  set(exe suite_${s_NAME})
  add_executable(${exe} ${s_SOURCES} ${FRESHET_SUITE_MAIN})
  set_target_properties(${exe} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/suites)
  freshet_flags(${exe} ${s_PORTABLE})
  target_compile_definitions(${exe} PRIVATE FRESHET_SUITE=suite_${s_NAME}
    FRESHET_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  target_link_libraries(${exe} PRIVATE ${s_LINK} freshet_cmocka)
  # A suite exports one function that only its main knows: no header says its prototype.
  set_property(SOURCE ${s_SOURCES} APPEND PROPERTY COMPILE_OPTIONS -Wno-missing-prototypes)
  if(NOT s_GUEST)
    freshet_test_name(test ${s_NAME})
    add_test(NAME ${test} COMMAND ${exe})
    set_tests_properties(${test} PROPERTIES LABELS "${s_LABELS}" TIMEOUT ${s_TIMEOUT})
  endif()
  add_dependencies(suites ${exe})
  if(s_PORTABLE)
    list(TRANSFORM s_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    set_property(GLOBAL APPEND PROPERTY FRESHET_PORTABLE_SUITES suite_${s_NAME})
    set_property(GLOBAL APPEND PROPERTY FRESHET_PORTABLE_SOURCES ${s_SOURCES})
    set_property(GLOBAL APPEND PROPERTY FRESHET_PORTABLE_LINKS ${s_LINK})
  endif()
  freshet_note(suite suite_${s_NAME} ${s_PORTABLE} ${s_LINK})
endfunction()

function(freshet_fuzz)
  cmake_parse_arguments(PARSE_ARGV 0 f "" "NAME;CORPUS" "SOURCES;LINK")
  if(f_UNPARSED_ARGUMENTS OR NOT f_NAME OR NOT f_SOURCES)
    message(FATAL_ERROR "freshet_fuzz: want NAME, SOURCES; got '${f_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT f_CORPUS)
    set(f_CORPUS ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${f_NAME})
  endif()
  set(exe fuzz_${f_NAME})
  add_executable(${exe} ${f_SOURCES})
  freshet_flags(${exe} FALSE)
  target_link_libraries(${exe} PRIVATE ${f_LINK})
  set_target_properties(${exe} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  freshet_note(fuzzer ${exe} FALSE ${f_LINK})
  if(FRESHET_FUZZ)
    target_link_options(${exe} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${exe})
    return()
  endif()
  target_sources(${exe} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
  add_dependencies(suites ${exe})
  freshet_test_name(test fuzz_${f_NAME})
  # Where a sanitizer watches, changed copies of the corpus are tried too.
  set(label unit)
  set(seconds)
  if(FRESHET_TEST_TAG)
    set(label ${FRESHET_TEST_TAG})
    set(seconds 10)
  endif()
  add_test(NAME ${test} COMMAND ${exe} ${f_CORPUS} ${seconds})
  set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT 60)
endfunction()

function(freshet_test)
  cmake_parse_arguments(PARSE_ARGV 0 t RUN_SERIAL "NAME;TIMEOUT;RESOURCE_LOCK;ALSO_IN" "COMMAND;LABELS")
  if(t_UNPARSED_ARGUMENTS OR NOT t_NAME OR NOT t_COMMAND OR NOT t_LABELS)
    message(FATAL_ERROR "freshet_test: want NAME, COMMAND, LABELS; got '${t_UNPARSED_ARGUMENTS}'")
  endif()
  if(FRESHET_BARE OR (FRESHET_TEST_TAG AND NOT FRESHET_TEST_TAG STREQUAL "${t_ALSO_IN}"))
    return()
  endif()
  if(FRESHET_TEST_TAG)
    string(APPEND t_NAME "@${FRESHET_TEST_TAG}")
    set(t_LABELS ${FRESHET_TEST_TAG})
  endif()
  if(NOT t_TIMEOUT)
    set(t_TIMEOUT 120)
  endif()
  add_test(NAME ${t_NAME} COMMAND ${t_COMMAND})
  set_tests_properties(${t_NAME} PROPERTIES
    LABELS "${t_LABELS}" TIMEOUT ${t_TIMEOUT} RUN_SERIAL ${t_RUN_SERIAL})
  if(t_RESOURCE_LOCK)
    set_tests_properties(${t_NAME} PROPERTIES RESOURCE_LOCK ${t_RESOURCE_LOCK})
  endif()
endfunction()

# Called once, last: writes the arrows of this configuration for tests/arrows.
function(freshet_finish)
  get_property(lines GLOBAL PROPERTY FRESHET_LINKS)
  string(REPLACE ";" "\n" text "${lines}")
  file(WRITE ${FRESHET_GENERATED}/links.txt.new "${text}\n")
  file(COPY_FILE ${FRESHET_GENERATED}/links.txt.new ${FRESHET_GENERATED}/links.txt ONLY_IF_DIFFERENT)
endfunction()
