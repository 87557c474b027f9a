//! Selection patterns, evaluated at load.

/// For every status 100–599 the index of the integration response that it selects.
#[derive(Clone, Debug)]
pub struct SelectionTable;
