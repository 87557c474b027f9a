//! Runs a program: a stack machine with counted steps, so that no template holds a core.

pub(super) mod budget;
mod calls;
pub(super) mod error;
mod input;
mod loops;
pub(super) mod machine;
pub(super) mod operators;
mod scope;

pub use error::RenderError;
pub use input::{Overrides, Parameters, Rendered, TemplateInput};

use crate::vtl::program::Program;

/// Renders a program.
///
/// # Errors
/// What the template may not do, or could not.
pub(super) fn render(
    program: &Program,
    input: &TemplateInput<'_>,
) -> Result<Rendered, RenderError> {
    let mut machine = machine::Machine::new(program, input)?;
    machine.run()?;
    machine.into_rendered()
}

#[cfg(test)]
mod tests;
