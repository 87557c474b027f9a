//! The program: arguments, settings, commands.
