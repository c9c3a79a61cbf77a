/** Options that several subcommands share, and how their values are read. */
package org.segformer3d.cli.option;
