//! Natives whose errors know the line they were called at.
//!
//! Rhai gives the error of a native its position only when the native is called without a module in front. All of ours
//! have one, so each is wrapped, and a wrong argument to `html::title` is shown with its line and caret.

use std::any::TypeId;
use std::rc::Rc;

use rhai::plugin::{FnManifestEntry, ModuleManifest, PluginFunc, RhaiFunc};
use rhai::{Dynamic, Engine, EvalAltResult, FuncMetadata, FuncRegistration, Module, NativeCallContext};

use crate::script::departure::Departure;

/// A native and the wish to know where it is called.
struct Located(&'static (dyn PluginFunc + Send + Sync));

impl PluginFunc for Located {
    fn call(
        &self,
        context: Option<NativeCallContext<'_>>,
        args: &mut [&mut Dynamic],
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let place = context.as_ref().map(|call| (call.global_runtime_state().source.clone(), call.call_position()));
        self.0.call(context.filter(|_| self.0.has_context()), args).map_err(|mut error| {
            if let Some((file, position)) = place {
                Departure::locate(&mut error, file, position);
                if error.position().is_none() {
                    error.set_position(position);
                }
            }
            error
        })
    }

    fn is_method_call(&self) -> bool {
        self.0.is_method_call()
    }

    fn has_context(&self) -> bool {
        true
    }

    fn is_pure(&self) -> bool {
        self.0.is_pure()
    }

    fn is_volatile(&self) -> bool {
        self.0.is_volatile()
    }
}

/// The module `plain` of a manifest with its functions wrapped; the documentation stays.
pub fn module(manifest: &'static ModuleManifest, plain: Module) -> Module {
    let mut module = Module::new();
    module.set_doc(plain.doc());
    let documentation = documentation(plain);
    manifest.init_eager(&mut module);
    for entry in manifest.functions {
        (entry.param_types)(&mut |types| {
            // Only a registered function knows its hash, and only the hash tells overloads apart.
            let hash = set(&mut module, entry, types, None);
            if let Some(known) = documentation.iter().find(|known| known.hash == hash) {
                set(&mut module, entry, types, Some(known));
            }
        });
    }
    module.build_index();
    module
}

/// Registers one wrapped function and returns its hash.
fn set(module: &mut Module, entry: &FnManifestEntry, types: &[TypeId], known: Option<&FuncMetadata>) -> u64 {
    let mut registration = FuncRegistration::new(entry.name).with_namespace(entry.namespace);
    if let Some(known) = known {
        let parameters = known.params_info.iter().chain([&known.return_type]);
        registration = registration.with_params_info(parameters).with_comments(&known.comments);
    }
    let func: Rc<dyn PluginFunc> = Rc::new(Located(entry.func));
    module.set_fn_raw_with_options(registration, types, RhaiFunc::Plugin { func }).hash
}

/// What is known of each function of a module.
fn documentation(plain: Module) -> Vec<FuncMetadata> {
    let mut engine = Engine::new_raw();
    engine.register_static_module("plain", plain.into());
    engine.collect_fn_metadata(None, |function| Some(function.metadata.clone()), false)
}
