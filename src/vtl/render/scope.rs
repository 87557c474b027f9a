//! Variables, macro arguments and loops.

use std::collections::HashMap;
use std::rc::Rc;

use crate::vtl::program::Place;
use crate::vtl::value::{Block, Value};

/// A call of a macro: its arguments are code of the caller, evaluated at each use.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) arguments: Vec<(Rc<str>, Option<Block>)>,
    /// Parameters that `#set` gave a value.
    pub(super) set: Vec<(Rc<str>, Value)>,
    pub(super) caller: Option<usize>,
}

/// What a name stands for.
pub(super) enum Found {
    Value(Value),
    /// An argument, to be evaluated.
    Code(Block),
}

/// Where to go on after a block, an argument or a macro.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) program: usize,
    pub(super) next: Place,
    pub(super) scope: Option<usize>,
    pub(super) kind: FrameKind,
    /// What was open when it began.
    pub(super) open: Open,
}

/// How much of each stack is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) stack: usize,
    pub(super) captures: usize,
    pub(super) rounds: usize,
    pub(super) scopes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Leaves a value on the stack.
    Argument,
    /// What it writes becomes a value on the stack.
    Block(Block),
    /// Its scope goes with it.
    Macro,
    Evaluation,
}

/// A `#foreach` that runs.
#[derive(Debug)]
pub(in crate::vtl) struct Round {
    pub(in crate::vtl) items: Vec<Value>,
    /// Rounds that have begun.
    pub(in crate::vtl) count: usize,
    pub(super) variable: Rc<str>,
    /// The variable's value outside.
    pub(super) outside: Option<Value>,
    pub(super) exit: Place,
    pub(super) program: usize,
    pub(super) scope: Option<usize>,
    pub(super) frames: usize,
    pub(super) open: Open,
}

#[derive(Debug, Default)]
pub(super) struct Variables {
    globals: HashMap<Rc<str>, Value>,
    pub(super) scopes: Vec<Scope>,
    pub(super) current: Option<usize>,
}

impl Variables {
    /// Names that are looked at on the way out of all macros.
    pub(super) fn on_the_way(&self) -> usize {
        let mut names = 0;
        let mut at = self.current;
        while let Some(scope) = at.and_then(|at| self.scopes.get(at)) {
            names += scope.set.len() + scope.arguments.len();
            at = scope.caller;
        }
        names
    }

    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let mut at = self.current;
        while let Some(scope) = at.and_then(|at| self.scopes.get(at)) {
            if let Some((_, value)) = scope.set.iter().find(|(known, _)| **known == *name) {
                return Some(Found::Value(value.clone()));
            }
            if let Some((_, code)) = scope.arguments.iter().find(|(known, _)| **known == *name) {
                return code.map(Found::Code);
            }
            at = scope.caller;
        }
        self.globals.get(name).cloned().map(Found::Value)
    }

    /// Sets a name outside of all macros, and in each macro on the way that has it as a parameter.
    pub(super) fn set(&mut self, name: &Rc<str>, value: &Value) {
        let mut at = self.current;
        while let Some(scope) = at.and_then(|at| self.scopes.get_mut(at)) {
            if scope.arguments.iter().any(|(known, _)| known == name) {
                scope.set.retain(|(known, _)| known != name);
                scope.set.push((Rc::clone(name), value.clone()));
            }
            at = scope.caller;
        }
        self.globals.insert(Rc::clone(name), value.clone());
    }

    pub(super) fn global(&self, name: &str) -> Option<Value> {
        self.globals.get(name).cloned()
    }

    /// Puts back what was there before a loop.
    pub(super) fn restore(&mut self, name: &Rc<str>, value: Option<Value>) {
        match value {
            Some(value) => self.globals.insert(Rc::clone(name), value),
            None => self.globals.remove(name),
        };
    }
}
