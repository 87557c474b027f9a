//! The stack machine.

use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use crate::vtl::methods;
use crate::vtl::program::{Operation, Place, Program, TextId};
use crate::vtl::render::budget::{Budget, TEXT_BYTES_MAX};
use crate::vtl::render::error::RenderError;
use crate::vtl::render::input::{
    Body, Overrides, Rendered, TemplateInput, context_map, may_read, text_map,
};
use crate::vtl::render::operators::{apply, is_true};
use crate::vtl::render::scope::{Found, Frame, FrameKind, Round, Variables};
use crate::vtl::text_form::{self, Style, text_of};
use crate::vtl::value::{Block, Heap, ListKind, Map, Value};

/// Numbers of one range.
const RANGE_MAX: u64 = 1_000_000;

/// The program of the document, or one that `#evaluate` made.
pub(super) enum Loaded<'r> {
    Document(&'r Program),
    Made(Rc<Program>),
}

impl Deref for Loaded<'_> {
    type Target = Program;

    fn deref(&self) -> &Program {
        match self {
            Self::Document(program) => program,
            Self::Made(program) => program,
        }
    }
}

/// A program with those of its texts that were values or names.
pub(super) struct Unit<'r> {
    pub(super) program: Loaded<'r>,
    texts: Vec<Option<Rc<str>>>,
}

/// Where output goes: to a string, or to a block that is printed where it is used.
#[derive(Debug, Default)]
pub(super) struct Capture {
    pub(super) text: String,
    pub(super) of_block: bool,
}

impl Capture {
    pub(super) const fn of_block() -> Self {
        Self {
            text: String::new(),
            of_block: true,
        }
    }
}

/// A macro by its name.
#[derive(Clone)]
pub(super) struct KnownMacro {
    pub(super) program: usize,
    pub(super) code: Place,
    pub(super) parameters: Rc<[Rc<str>]>,
}

pub(in crate::vtl) struct Machine<'r> {
    pub(super) input: &'r TemplateInput<'r>,
    pub(in crate::vtl) body: Body,
    pub(in crate::vtl) heap: Heap,
    pub(in crate::vtl) budget: Budget,
    pub(super) units: Vec<Unit<'r>>,
    pub(super) program: usize,
    pub(super) next: Place,
    pub(super) stack: Vec<Value>,
    pub(super) captures: Vec<Capture>,
    pub(super) frames: Vec<Frame>,
    pub(in crate::vtl) rounds: Vec<Round>,
    pub(super) variables: Variables,
    pub(super) macros: HashMap<Rc<str>, KnownMacro>,
    pub(super) context: Option<Value>,
    pub(in crate::vtl) parameters: [Value; 3],
    pub(super) stopped: bool,
}

impl<'r> Machine<'r> {
    pub(super) fn new(
        program: &'r Program,
        input: &'r TemplateInput<'r>,
    ) -> Result<Self, RenderError> {
        let (mut heap, mut budget) = (Heap::default(), Budget::new());
        let mut variables = Variables::default();
        let parameters = [
            text_map(&mut heap, &mut budget, &input.parameters.path, false)?,
            text_map(&mut heap, &mut budget, &input.parameters.querystring, false)?,
            text_map(&mut heap, &mut budget, &input.parameters.header, true)?,
        ];
        variables.set(&Rc::from("input"), &Value::Input);
        variables.set(&Rc::from("util"), &Value::Util);
        let stage = text_map(&mut heap, &mut budget, &input.stage_variables, false)?;
        variables.set(&Rc::from("stageVariables"), &stage);
        let mut context = None;
        if may_read(program, "context") {
            let map = context_map(&mut heap, &mut budget, input)?;
            variables.set(&Rc::from("context"), &map);
            context = Some(map);
        }
        let mut machine = Self {
            input,
            body: Body::new(&input.body),
            heap,
            budget,
            units: Vec::new(),
            program: 0,
            next: 0,
            stack: Vec::new(),
            captures: vec![Capture::default()],
            frames: Vec::new(),
            rounds: Vec::new(),
            variables,
            macros: HashMap::new(),
            context,
            parameters,
            stopped: false,
        };
        machine.load(Loaded::Document(program));
        Ok(machine)
    }

    /// Takes a program in, with its macros; the first macro of a name stays.
    pub(super) fn load(&mut self, program: Loaded<'r>) -> usize {
        let id = self.units.len();
        let texts = vec![None; program.texts.len()];
        for defined in &program.macros {
            let parameters = defined.parameters.iter();
            let parameters = parameters
                .map(|&name| Rc::from(program.text(name)))
                .collect();
            self.macros
                .entry(Rc::from(program.text(defined.name)))
                .or_insert(KnownMacro {
                    program: id,
                    code: defined.code,
                    parameters,
                });
        }
        self.units.push(Unit { program, texts });
        id
    }

    pub(super) fn run(&mut self) -> Result<(), RenderError> {
        while !self.stopped {
            self.budget.step(1)?;
            let unit = self.units.get(self.program);
            let operation = unit.and_then(|unit| unit.program.operation(self.next));
            self.next += 1;
            match operation {
                Some(operation) => self.execute(operation)?,
                None if self.frames.is_empty() => break,
                None => self.leave_frame()?,
            }
        }
        Ok(())
    }

    pub(super) fn into_rendered(mut self) -> Result<Rendered, RenderError> {
        let overrides = match &self.context {
            None => self.input.overrides.clone(),
            Some(context) => {
                let context = context.clone();
                Overrides {
                    request: self.exported(&context, "requestOverride")?,
                    response: self.exported(&context, "responseOverride")?,
                }
            }
        };
        let output = self.captures.drain(..).next().unwrap_or_default().text;
        Ok(Rendered { output, overrides })
    }

    /// A member of `$context` as JSON.
    fn exported(&mut self, context: &Value, name: &str) -> Result<serde_json::Value, RenderError> {
        let mut text = String::new();
        if let Value::Map(id) = context
            && let Some(member) = self.heap.map(*id).and_then(|map| map.get(name))
        {
            text_form::write(&self.heap, member, Style::Json, &mut text, &mut self.budget)?;
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    pub(super) fn text_at(&mut self, id: TextId) -> Rc<str> {
        let Some(unit) = self.units.get_mut(self.program) else {
            return Rc::from("");
        };
        let slot = usize::try_from(id)
            .ok()
            .and_then(|at| unit.texts.get_mut(at));
        match slot {
            Some(Some(text)) => Rc::clone(text),
            Some(slot) => {
                let text: Rc<str> = Rc::from(unit.program.text(id));
                *slot = Some(Rc::clone(&text));
                text
            }
            None => Rc::from(""),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Value, RenderError> {
        self.stack.pop().ok_or(RenderError::BadProgram)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, RenderError> {
        let from = self.stack.len().checked_sub(count);
        Ok(self.stack.split_off(from.ok_or(RenderError::BadProgram)?))
    }

    fn pop_boolean(&mut self) -> Result<bool, RenderError> {
        Ok(is_true(&self.pop()?))
    }

    pub(super) fn write_text(&mut self, id: TextId) -> Result<(), RenderError> {
        let text = self
            .units
            .get(self.program)
            .map_or("", |unit| unit.program.text(id));
        append(&mut self.captures, text, &mut self.budget)
    }

    fn print(&mut self) -> Result<(), RenderError> {
        let value = self.pop()?;
        let Some(out) = self.captures.last_mut() else {
            return Err(RenderError::BadProgram);
        };
        match &value {
            Value::Text(text) => append(&mut self.captures, text, &mut self.budget),
            other => text_form::write(
                &self.heap,
                other,
                Style::Java,
                &mut out.text,
                &mut self.budget,
            ),
        }
    }

    fn execute(&mut self, operation: Operation) -> Result<(), RenderError> {
        match operation {
            Operation::Write(text) => self.write_text(text)?,
            Operation::Print => self.print()?,
            Operation::PushText(id) => {
                let text = self.text_at(id);
                self.stack.push(Value::Text(text));
            }
            Operation::PushInteger(value) => self.stack.push(Value::Integer(value)),
            Operation::PushDouble(bits) => self.stack.push(Value::Double(f64::from_bits(bits))),
            Operation::PushBoolean(value) => self.stack.push(Value::Boolean(value)),
            Operation::PushUndefined => self.stack.push(Value::Undefined),
            Operation::Load(name) => self.load_variable(name)?,
            Operation::Property(name) => {
                let (name, base) = (self.text_at(name), self.pop()?);
                let value = methods::property(self, &base, &name)?;
                self.stack.push(value);
            }
            Operation::Index => {
                let (index, base) = (self.pop()?, self.pop()?);
                let value = methods::element(self, &base, &index)?;
                self.stack.push(value);
            }
            Operation::Call { name, arguments } => {
                let arguments = self.pop_many(usize::from(arguments))?;
                let (name, base) = (self.text_at(name), self.pop()?);
                let value = methods::call(self, &base, &name, &arguments)?;
                self.stack.push(value);
            }
            Operation::EmptyIfUndefined => {
                if let Some(top @ Value::Undefined) = self.stack.last_mut() {
                    *top = Value::Text(Rc::from(""));
                }
            }
            Operation::Store(_) | Operation::StoreProperty(_) | Operation::StoreIndex => {
                self.store(operation)?;
            }
            Operation::List(_) | Operation::Map(_) | Operation::Range => self.make(operation)?,
            Operation::SourceOfLeft(_) | Operation::SourceOfRight(_) => self.source(operation)?,
            Operation::Binary(operator) => {
                let (right, left) = (self.pop()?, self.pop()?);
                let value = apply(operator, &left, &right, &self.heap, &mut self.budget)?;
                self.stack.push(value);
            }
            Operation::Not => {
                let value = !self.pop_boolean()?;
                self.stack.push(Value::Boolean(value));
            }
            Operation::Truth => {
                let value = self.pop_boolean()?;
                self.stack.push(Value::Boolean(value));
            }
            _ => self.control(operation)?,
        }
        Ok(())
    }

    /// Operations that decide what comes next.
    fn control(&mut self, operation: Operation) -> Result<(), RenderError> {
        match operation {
            Operation::Jump(target) => self.next = target,
            Operation::LeaveIfUndefined(target) => {
                if matches!(self.stack.last(), Some(Value::Undefined)) {
                    self.next = target;
                }
            }
            Operation::JumpUnless(target) => {
                if !self.pop_boolean()? {
                    self.next = target;
                }
            }
            Operation::JumpKeepingFalse(target) | Operation::JumpKeepingTrue(target) => {
                let value = self.pop_boolean()?;
                if value == matches!(operation, Operation::JumpKeepingTrue(_)) {
                    self.stack.push(Value::Boolean(value));
                    self.next = target;
                }
            }
            Operation::BeginLoop { variable, exit } => self.begin_loop(variable, exit)?,
            Operation::NextRound => self.next_round()?,
            Operation::BeginCapture => self.captures.push(Capture::default()),
            Operation::EndCapture { drop_last } => self.end_capture(drop_last)?,
            Operation::Define { name, block } => {
                let name = self.text_at(name);
                let block = Value::Block(Block {
                    program: self.program,
                    code: block,
                    scope: None,
                });
                self.variables.set(&name, &block);
            }
            Operation::CallMacro(call) => self.call_macro(call)?,
            Operation::Evaluate => self.evaluate()?,
            Operation::Break => self.break_out()?,
            Operation::Stop => self.stop()?,
            Operation::Return => self.leave_frame()?,
            Operation::NotAvailable => return Err(RenderError::NotAvailable),
            _ => return Err(RenderError::BadProgram),
        }
        Ok(())
    }

    pub(super) fn end_capture(&mut self, drop_last: bool) -> Result<(), RenderError> {
        let mut text = match self.captures.len() {
            0 | 1 => return Err(RenderError::BadProgram),
            _ => self.captures.pop().unwrap_or_default().text,
        };
        if drop_last {
            text.pop();
        }
        self.budget.text(text.len())?;
        self.stack.push(Value::Text(Rc::from(text)));
        Ok(())
    }

    fn load_variable(&mut self, name: TextId) -> Result<(), RenderError> {
        let name = self.text_at(name);
        self.budget.step(self.variables.on_the_way() / 8)?;
        let found = match self.variables.find(&name) {
            Some(found) => found,
            None => Found::Value(self.loop_variable(&name)),
        };
        match found {
            Found::Value(Value::Block(block)) => self.enter_block(block),
            Found::Value(value) => {
                self.stack.push(value);
                Ok(())
            }
            Found::Code(block) => self.enter(block, FrameKind::Argument),
        }
    }

    fn store(&mut self, operation: Operation) -> Result<(), RenderError> {
        let value = self.pop()?;
        let index = match operation {
            Operation::StoreIndex => Some(self.pop()?),
            _ => None,
        };
        match operation {
            Operation::Store(_) if matches!(value, Value::Undefined) => Ok(()),
            Operation::Store(name) => {
                let name = self.text_at(name);
                self.budget.keep(size_of::<(Rc<str>, Value)>())?;
                self.budget.step(self.variables.on_the_way() / 8)?;
                self.variables.set(&name, &value);
                Ok(())
            }
            Operation::StoreProperty(name) => {
                let (name, base) = (self.text_at(name), self.pop()?);
                methods::set_element(self, &base, &Value::Text(name), value)
            }
            _ => {
                let base = self.pop()?;
                methods::set_element(self, &base, &index.unwrap_or(Value::Undefined), value)
            }
        }
    }

    fn make(&mut self, operation: Operation) -> Result<(), RenderError> {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let value = match operation {
            Operation::List(items) => {
                let items = self.pop_many(count(items))?;
                self.heap
                    .new_list(ListKind::Plain, items, &mut self.budget)?
            }
            Operation::Map(members) => {
                let parts = self.pop_many(count(members).saturating_mul(2))?;
                let mut map = Map::default();
                let mut parts = parts.into_iter();
                while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                    let key = text_of(&self.heap, &key, &mut self.budget)?;
                    self.budget.look_up(map.entries.len(), key.len())?;
                    map.put(key, value);
                }
                self.heap.new_map(map, &mut self.budget)?
            }
            _ => self.range()?,
        };
        self.stack.push(value);
        Ok(())
    }

    /// An operand without a value that is added to a text shows its source.
    fn source(&mut self, operation: Operation) -> Result<(), RenderError> {
        let (mut right, mut left) = (self.pop()?, self.pop()?);
        match (operation, &left, &right) {
            (Operation::SourceOfLeft(source), Value::Undefined, Value::Text(_)) => {
                left = Value::Text(self.text_at(source));
            }
            (Operation::SourceOfRight(source), Value::Text(_), Value::Undefined) => {
                right = Value::Text(self.text_at(source));
            }
            _ => {}
        }
        self.stack.push(left);
        self.stack.push(right);
        Ok(())
    }

    fn range(&mut self) -> Result<Value, RenderError> {
        let (to, from) = (self.pop()?, self.pop()?);
        let (Value::Integer(from), Value::Integer(to)) = (from, to) else {
            return Ok(Value::Undefined);
        };
        if from.abs_diff(to) >= RANGE_MAX {
            return Err(RenderError::ValuesTooLarge);
        }
        let mut items: Vec<Value> = (from.min(to)..=from.max(to)).map(Value::Integer).collect();
        if from > to {
            items.reverse();
        }
        self.budget.step(items.len() / 2)?;
        self.heap.new_list(ListKind::Plain, items, &mut self.budget)
    }
}

fn append(captures: &mut [Capture], text: &str, budget: &mut Budget) -> Result<(), RenderError> {
    let out = captures.last_mut().ok_or(RenderError::BadProgram)?;
    budget.read(text.len())?;
    if out.text.len() + text.len() > TEXT_BYTES_MAX {
        return Err(RenderError::TextTooLong);
    }
    out.text.push_str(text);
    Ok(())
}
