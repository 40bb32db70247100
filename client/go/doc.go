// Package xpstore is the client of xpstore, which keeps experiments, models, metrics, files of any size, and results that
// nobody need compute twice.
//
//	client, err := xpstore.Connect(ctx, xpstore.Options{}) // address and key from the environment
//	project, err := client.OpenProject(ctx, "campaign 7", xpstore.ProjectOptions{})
//	version, err := project.Save(ctx, xpstore.Draft{Name: "notes"}, os.DirFS("notes"))
//
// Everything takes a context and may be cancelled by it. Calls are repeated while the server is away, for as long as
// [Options] says: each of them may be. What fails is an [*Error], which says why:
//
//	var fault *xpstore.Error
//	if errors.As(err, &fault) { log.Print(fault.Reason, fault.Field(), fault.RequestID) }
//	if errors.Is(err, xpstore.NotFound) { ... }
//
// Lists are iterators, which ask for one page after the other:
//
//	for model, err := range experiment.Models(ctx) { ... }
//
// A [Client] and all that is made from it may be used by many goroutines at once, but for a [FileReader]. What this
// package has no function for is called through the generated package xpstorev1 with [Client.Conn].
package xpstore

// ModuleVersion is that of this module.
const ModuleVersion = "0.1.0"

// ContractVersion is that of the contract that this module was made for.
const ContractVersion = "1.0"
