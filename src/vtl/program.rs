//! A compiled template: a flat list of operations for a stack machine, with the texts they name.

/// A template that was compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) operations: Vec<Operation>,
    pub(super) texts: Vec<Box<str>>,
    pub(super) calls: Vec<MacroCall>,
    pub(super) macros: Vec<Macro>,
}

/// Place of an operation.
pub(super) type Place = u32;

/// Place of a text in [`Program::texts`].
pub(super) type TextId = u32;

/// One step of a program. Values are on a stack; output goes to the innermost capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Writes a text.
    Write(TextId),
    /// Writes the top value.
    Print,
    PushText(TextId),
    PushInteger(i64),
    /// The bits of a double.
    PushDouble(u64),
    PushBoolean(bool),
    PushUndefined,
    /// Pushes a variable, undefined if there is none.
    Load(TextId),
    /// Replaces the top value by its property.
    Property(TextId),
    /// Replaces a value and an index by the element.
    Index,
    /// Replaces a value and arguments by the method's result.
    Call {
        name: TextId,
        arguments: u16,
    },
    /// Leaves a reference when its value so far is undefined.
    LeaveIfUndefined(Place),
    /// The null rule: what is undefined becomes the empty string (spec 07).
    EmptyIfUndefined,
    Store(TextId),
    /// Takes a value off the stack and puts it into the property of the value below.
    StoreProperty(TextId),
    /// As `StoreProperty`, with an index between the two.
    StoreIndex,
    /// Makes a list of that many values.
    List(u32),
    /// Makes a map of that many keys and values.
    Map(u32),
    Range,
    /// Replaces an undefined second value from the top by a text, where the top one is a text.
    SourceOfLeft(TextId),
    /// Replaces an undefined top value by a text, where the one below is a text.
    SourceOfRight(TextId),
    Binary(Binary),
    Not,
    /// Replaces a reference's value by its truth.
    Truth,
    /// Jumps when the top value is false and keeps it; otherwise drops it.
    JumpKeepingFalse(Place),
    /// Jumps when the top value is true and keeps it; otherwise drops it.
    JumpKeepingTrue(Place),
    /// Takes a condition and jumps when it is false.
    JumpUnless(Place),
    Jump(Place),
    /// Begins a loop over the top value; the next operation is its `NextRound`.
    BeginLoop {
        variable: TextId,
        exit: Place,
    },
    NextRound,
    /// Output goes to a new string from here.
    BeginCapture,
    /// Pushes the captured string, without its last character where the compiler put one there.
    EndCapture {
        drop_last: bool,
    },
    /// Binds a name to the block that starts at a place.
    Define {
        name: TextId,
        block: Place,
    },
    /// Calls a macro of [`Program::calls`].
    CallMacro(u32),
    /// Renders the top value as a template.
    Evaluate,
    Break,
    Stop,
    /// Ends a block, an argument or a macro.
    Return,
    /// `#include` and `#parse` are not available (spec 07).
    NotAvailable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

/// A use of `#name(...)`, which may be a macro by the time it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MacroCall {
    pub(super) name: TextId,
    pub(super) arguments: Vec<Argument>,
    /// Printed when there is no such macro.
    pub(super) source: TextId,
    /// The block of `#@name(...)`.
    pub(super) body: Option<Place>,
}

/// An argument is evaluated at each use, in the caller's scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) code: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Macro {
    pub(super) name: TextId,
    pub(super) parameters: Vec<TextId>,
    pub(super) code: Place,
}

impl Program {
    pub(super) fn text(&self, id: TextId) -> &str {
        let text = usize::try_from(id).ok().and_then(|at| self.texts.get(at));
        text.map_or("", |text| text)
    }

    pub(super) fn operation(&self, at: Place) -> Option<Operation> {
        self.operations.get(usize::try_from(at).ok()?).copied()
    }

    pub(super) fn call(&self, at: u32) -> Option<&MacroCall> {
        self.calls.get(usize::try_from(at).ok()?)
    }
}
