/** One class per subcommand, each a thin layer over the other modules. */
package org.segformer3d.cli.command;
