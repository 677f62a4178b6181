# A layer: a static library of every .cc beside its CMakeLists.txt (programs keep their main.cc out of it).
#   anneal_layer(core LINK absl::status ...)
function(anneal_layer name)
  cmake_parse_arguments(arg "" "" "LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  add_library(anneal_${name} STATIC ${sources})
  target_link_libraries(anneal_${name} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# The tests of a layer: every *_test.cc beside the CMakeLists.txt (its other .cc files are helpers), one program.
#   anneal_tests(core LINK anneal_core)
function(anneal_tests name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  add_executable(${name}_tests ${sources})
  target_link_libraries(${name}_tests PRIVATE ${arg_LINK} anneal_test_support GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name}_tests TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES
                       PROPERTIES TIMEOUT 300)
endfunction()
