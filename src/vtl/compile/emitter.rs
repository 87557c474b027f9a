//! Collects the operations of a program.

use std::collections::HashMap;

use crate::vtl::program::{Argument, Macro, MacroCall, Operation, Place, Program, TextId};

#[derive(Debug, Default)]
pub(super) struct Emitter {
    program: Program,
    text_ids: HashMap<Box<str>, TextId>,
    /// Names of the macros so far: the first of a name is the one (Velocity's default permissions).
    macro_names: Vec<Box<str>>,
}

impl Emitter {
    pub(super) fn finish(self) -> Program {
        self.program
    }

    /// The place of the next operation.
    pub(super) fn here(&self) -> Place {
        Place::try_from(self.program.operations.len()).unwrap_or(Place::MAX)
    }

    pub(super) fn emit(&mut self, operation: Operation) -> Place {
        let place = self.here();
        self.program.operations.push(operation);
        place
    }

    /// Lets the operations since `place` never run.
    pub(super) fn skip_from(&mut self, place: Place) {
        let here = self.here();
        let at = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(first) = self.program.operations.get_mut(at) {
            *first = Operation::Jump(here);
        }
    }

    pub(super) fn text(&mut self, text: &str) -> TextId {
        if let Some(&id) = self.text_ids.get(text) {
            return id;
        }
        let id = TextId::try_from(self.program.texts.len()).unwrap_or(TextId::MAX);
        self.program.texts.push(text.into());
        self.text_ids.insert(text.into(), id);
        id
    }

    /// Lets the jump at `place` go to the next operation.
    pub(super) fn mend(&mut self, place: Place) {
        let here = self.here();
        let at = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(
            Operation::Jump(target)
            | Operation::JumpUnless(target)
            | Operation::JumpKeepingFalse(target)
            | Operation::JumpKeepingTrue(target)
            | Operation::LeaveIfUndefined(target)
            | Operation::BeginLoop { exit: target, .. },
        ) = self.program.operations.get_mut(at)
        {
            *target = here;
        }
    }

    pub(super) fn call_macro(
        &mut self,
        name: &str,
        arguments: Vec<Argument>,
        source: &str,
        body: Option<Place>,
    ) {
        let call = MacroCall {
            name: self.text(name),
            arguments,
            source: self.text(source),
            body,
        };
        let id = u32::try_from(self.program.calls.len()).unwrap_or(u32::MAX);
        self.program.calls.push(call);
        self.emit(Operation::CallMacro(id));
    }

    pub(super) fn define_macro(&mut self, name: &str, parameters: Vec<TextId>, code: Place) {
        if self.has_macro(name) {
            return;
        }
        let defined = Macro {
            name: self.text(name),
            parameters,
            code,
        };
        self.program.macros.push(defined);
        self.macro_names.push(name.into());
    }

    pub(super) fn has_macro(&self, name: &str) -> bool {
        self.macro_names.iter().any(|known| **known == *name)
    }
}
