// The JSON Schema (draft-07) of scenarios, for editors: printed from the loader's own grammar.
#pragma once

#include <string>

namespace faultline {

/// The text of scenarios/schema/scenario-1.schema.json, byte for byte.
std::string schema_text();

}  // namespace faultline
