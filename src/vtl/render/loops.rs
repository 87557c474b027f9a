//! `#foreach` and `#break`.

use std::rc::Rc;

use crate::vtl::program::{Place, TextId};
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::render::scope::Round;
use crate::vtl::value::Value;

/// Rounds of one `#foreach` (spec 07, "Directives").
const ROUNDS_MAX: usize = 1_000;

impl Machine<'_> {
    pub(super) fn loop_variable(&self, name: &str) -> Value {
        let round = self.rounds.last();
        match (name, round) {
            ("foreach", Some(_)) => Value::Loop(self.rounds.len() - 1),
            ("velocityCount", Some(round)) => {
                Value::Integer(i64::try_from(round.count).unwrap_or(i64::MAX))
            }
            _ => Value::Undefined,
        }
    }

    pub(super) fn begin_loop(&mut self, variable: TextId, exit: Place) -> Result<(), RenderError> {
        let collection = self.pop()?;
        let items = match collection {
            Value::List(id) => self
                .heap
                .list(id)
                .map_or_else(Vec::new, |list| list.items.clone()),
            Value::Map(id) => self.heap.map(id).map_or_else(Vec::new, |map| {
                map.entries.iter().map(|(_, value)| value.clone()).collect()
            }),
            _ => {
                self.next = exit;
                return Ok(());
            }
        };
        self.budget.step(items.len() / 4)?;
        self.budget.keep(items.len() * size_of::<Value>())?;
        let variable = self.text_at(variable);
        self.rounds.push(Round {
            items,
            count: 0,
            outside: self.variables.global(&variable),
            variable,
            exit,
            program: self.program,
            scope: self.variables.current,
            frames: self.frames.len(),
            open: self.open(),
        });
        Ok(())
    }

    pub(super) fn next_round(&mut self) -> Result<(), RenderError> {
        let round = self.rounds.last_mut().ok_or(RenderError::BadProgram)?;
        let Some(item) = round.items.get(round.count).cloned() else {
            self.leave_loop();
            return Ok(());
        };
        if round.count == ROUNDS_MAX {
            return Err(RenderError::TooManyRounds);
        }
        round.count += 1;
        self.budget.step(self.variables.on_the_way() / 8)?;
        let variable = Rc::clone(&round.variable);
        self.variables.set(&variable, &item);
        Ok(())
    }

    /// Ends the innermost loop, and whatever was entered inside it; without a loop the rendering.
    pub(super) fn leave_loop(&mut self) {
        let Some(round) = self.rounds.pop() else {
            self.stopped = true;
            return;
        };
        self.frames.truncate(round.frames);
        self.close(round.open);
        self.variables.current = round.scope;
        self.program = round.program;
        self.next = round.exit;
        self.variables.restore(&round.variable, round.outside);
    }
}
