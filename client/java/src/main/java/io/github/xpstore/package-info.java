// SPDX-FileCopyrightText: the xpstore authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Client of xpstore: {@link io.github.xpstore.Client} connects, its handles do the rest. {@code io.github.xpstore.v1} is
 * generated from the contract, for what the handles do not do.
 */
package io.github.xpstore;
