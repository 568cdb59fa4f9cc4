# find_package(SharedRing) of an installed library: the target SharedRing::sharedring.
get_filename_component(_sharedring_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET SharedRing::sharedring)
  find_package(Threads REQUIRED)
  add_library(SharedRing::sharedring STATIC IMPORTED)
  set_target_properties(SharedRing::sharedring PROPERTIES
    IMPORTED_LOCATION "${_sharedring_prefix}/lib/libsharedring.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_sharedring_prefix}/include/sharedring"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
unset(_sharedring_prefix)
